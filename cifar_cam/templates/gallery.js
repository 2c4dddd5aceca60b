'use strict'

// The gallery of mistakes: a tile for each, controls to sort and to filter them, and a large view with all maps of one.
// gallery.html and dialog.html have its elements; the data are in the page, as JSON, in the element #data.

const $ = selector => document.querySelector(selector)
const DATA = JSON.parse($('#data').textContent)

// What is shown now
const state = {
  pair: null, // the only classes to show, [actual, predicted]; null: all
  shown: DATA.mistakes, // the mistakes in the gallery, in their order
  open: null, // which of these is in the large view
}

// Words and figures

function className(number) {
  return DATA.classes[number]
}

function taken(actual, predicted, how) {
  return className(actual) + how + className(predicted)
}

function percent(share) {
  const digits = share > 0.0995 || share === 0 ? 0 : 1
  return (100 * share).toFixed(digits) + ' %'
}

function signed(number) {
  return number.toFixed(2).replace('-', '−')
}

function whose(mistake, target) {
  if (DATA.targets.length === 1) return 'no class'
  if (target === 'predicted') return className(mistake.predicted)
  if (target === 'actual') return className(mistake.actual)
  return taken(mistake.predicted, mistake.actual, ' against ')
}

// Elements: all text goes in as text, so that markup in a name stays a name

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

function soft(tag, ...children) {
  return element(tag, {className: 'soft'}, ...children)
}

function badge() {
  return element('span', {className: 'badge'}, 'label doubtful')
}

function overlay(map, words) {
  const cells = $('#cells').checked && map.cells
  return element('img', {className: cells ? 'map cells' : 'map', src: cells || map.smooth, alt: words})
}

// The picture, and over it its map, if there is one: the browser blends them
function stack(mistake, layer, target) {
  const words = `picture #${mistake.idx}: ${taken(mistake.actual, mistake.predicted, ', taken for ')}`
  const picture = element('img', {className: 'picture', src: mistake.picture, alt: words})
  const made = element('span', {className: 'stack'}, picture)
  const map = mistake.maps[target]?.[layer]
  if (map?.smooth) made.append(overlay(map, `map of ${layer} for ${whose(mistake, target)}`))
  return made
}

// The tiles

const ORDERS = {
  loss: (a, b) => b.loss - a.loss,
  confidence: (a, b) => b.prob - a.prob,
  margin: (a, b) => a.margin - b.margin,
  class: (a, b) => a.actual - b.actual || a.predicted - b.predicted || b.loss - a.loss,
}

function isAskedFor(mistake) {
  if (!state.pair) return true
  const [actual, predicted] = state.pair
  return mistake.actual === actual && mistake.predicted === predicted
}

function chosen() {
  const order = ORDERS[$('#sort').value]
  return DATA.mistakes.filter(isAskedFor).sort((a, b) => order(a, b) || a.idx - b.idx)
}

function tile(mistake, position) {
  const layer = $('#layer').value
  const target = $('#target').value
  const status = mistake.maps[target]?.[layer]?.status ?? 'ok'
  const what = `${taken(mistake.actual, mistake.predicted, ' → ')} ${percent(mistake.prob)}`
  const which = `#${mistake.idx}` + (status === 'ok' ? '' : `, map: ${status}`)
  const button = element('button', {className: 'tile', type: 'button'}, stack(mistake, layer, target))
  button.append(element('span', {}, what), soft('span', which))
  if (mistake.doubtful) button.append(badge())
  button.addEventListener('click', () => openLarge(position))
  return element('li', {}, button)
}

function countText() {
  const rest = 'in the gallery, which has those of largest loss'
  if (!state.pair) return `${DATA.mistakes.length} of ${DATA.n_mistakes} mistakes are ${rest}`
  const all = DATA.pairs[state.pair.join()] || 0
  return `${taken(...state.pair, ' taken for ')}: ${state.shown.length} of ${all} are ${rest}`
}

function draw() {
  state.shown = chosen()
  $('#tiles').replaceChildren(...state.shown.map(tile))
  $('#tiles').classList.toggle('off', !$('#maps').checked)
  $('#count').textContent = countText()
  $('#all').disabled = !state.pair
  for (const button of document.querySelectorAll('[data-pair]')) {
    button.setAttribute('aria-pressed', String(button.dataset.pair === state.pair?.join()))
  }
}

// The large view

function mapCell(mistake, layer, target) {
  const map = mistake.maps[target][layer]
  const words = element('small', {}, map.status)
  if (map.road !== undefined) words.append(element('br'), `ROAD ${signed(map.road)}`)
  return element('td', {}, stack(mistake, layer, target), words)
}

function mapTable(mistake) {
  const layers = DATA.layers.map(layer => {
    return element('th', {scope: 'col'}, layer, element('br'), soft('small', DATA.cells[layer]))
  })
  const rows = DATA.targets.map(target => {
    const cells = DATA.layers.map(layer => mapCell(mistake, layer, target))
    return element('tr', {}, element('th', {scope: 'row'}, `for ${whose(mistake, target)}`), ...cells)
  })
  return element('table', {className: 'maps'}, element('tr', {}, element('th', {}, 'evidence'), ...layers), ...rows)
}

function probability(mistake, number, share) {
  const isActual = number === mistake.actual
  const name = element('b', {}, className(number) + (isActual ? ' (actual)' : ''))
  const figure = element('span', {}, `${(100 * share).toFixed(2)} %`)
  const bar = element('i')
  bar.style.setProperty('--p', share)
  return element('li', {className: isActual ? '' : 'wrong'}, name, figure, bar)
}

function description(mistake) {
  const figures = `loss ${mistake.loss.toFixed(2)}, margin ${signed(mistake.margin)}`
  const made = soft('p', `#${mistake.idx}, ${mistake.file}`, element('br'), figures)
  if (mistake.doubtful) made.append(element('br'), badge())
  return made
}

function openLarge(position) {
  const mistake = state.shown[position]
  const probs = mistake.probs.map(([number, share]) => probability(mistake, number, share))
  const left = element('div', {}, stack(mistake), description(mistake), element('ul', {className: 'probs'}, ...probs))
  state.open = position
  $('#which').textContent = `${taken(mistake.actual, mistake.predicted, ' → ')}, ${percent(mistake.prob)}`
  $('#large .large').replaceChildren(left, element('div', {className: 'scroll'}, mapTable(mistake)))
  $('#previous').disabled = position === 0
  $('#next').disabled = position === state.shown.length - 1
  if (!$('#large').open) $('#large').showModal()
}

function step(by) {
  const position = state.open + by
  if (position >= 0 && position < state.shown.length) openLarge(position)
}

// What people do

function showPair(pair) {
  state.pair = pair
  draw()
}

function togglePair(button) {
  const isShown = button.dataset.pair === state.pair?.join()
  showPair(isShown ? null : button.dataset.pair.split(',').map(Number))
  if (state.pair) $('#gallery').scrollIntoView()
}

function onKey(event) {
  if (event.key === 'ArrowLeft') step(-1)
  if (event.key === 'ArrowRight') step(1)
}

// The focus goes back to the tile of the mistake that was last looked at
function onClose() {
  $('#tiles').children[state.open]?.firstChild.focus()
  state.open = null
}

function start() {
  for (const id of ['sort', 'layer', 'target', 'maps', 'cells']) $(`#${id}`).addEventListener('change', draw)
  for (const button of document.querySelectorAll('[data-pair]')) {
    button.addEventListener('click', () => togglePair(button))
  }
  $('#all').addEventListener('click', () => showPair(null))
  $('#previous').addEventListener('click', () => step(-1))
  $('#next').addEventListener('click', () => step(1))
  $('#close').addEventListener('click', () => $('#large').close())
  $('#large').addEventListener('keydown', onKey)
  $('#large').addEventListener('close', onClose)
  draw()
}

if (DATA.mistakes.length) start()
