// The gallery: a tile for each picture, controls to sort and to filter them, and a large view with all maps of one.
// gallery.html and dialog.html have its elements; the data are in the page, as JSON, in the element #data.

// What a page of another kind puts in place of these: its rows, what is said of one only when it is looked at (such as
// all probabilities), more elements for the large view, the store of marks, and of a tile its stacks, words and badges
const HOOKS = {
  rows: async () => DATA.rows,
  details: async row => row,
  more: () => [],
  store: browserStore,
  stacks: (...shows) => [stack(...shows)],
  words: whatText,
  badges: () => [],
}

// What is shown now
const state = {
  shown: [], // the rows in the gallery, in their order
  made: 0, // how many of these have a tile; the others get theirs when one scrolls down
  open: null, // the row in the large view
  coming: null, // the row that is to be there next, of which more is asked for
  asked: null, // the row of which somebody is asked for the right label
}
const AT_ONCE = 120
const BY_NAME = new Map()

// Words and figures

function className(number) {
  return DATA.classes[number]
}

function nameOf(row) {
  return DATA.sets?.length > 1 ? `${row.set}-${row.idx}` : String(row.idx)
}

function taken(actual, predicted, how) {
  return className(actual) + how + className(predicted)
}

// The space before the sign is one at which no line breaks
function percent(share) {
  const digits = share > 0.0995 || share === 0 ? 0 : 1
  return (100 * share).toFixed(digits) + '\u00a0%'
}

function signed(number) {
  return (number ?? NaN).toFixed(2).replace('-', '−')
}

function figure(number) {
  return number.toLocaleString('en')
}

function things(n) {
  const thing = DATA.n_mistakes === undefined ? 'picture' : 'mistake'
  return `${figure(n)} ${thing}${n === 1 ? '' : 's'}`
}

function whose(row, kind) {
  if (Object.keys(DATA.kinds).length === 1 && kind === 'predicted') return DATA.kinds[kind]
  if (kind === 'predicted') return `for ${className(row.predicted)}`
  if (kind === 'actual') return `for ${className(row.actual)}`
  if (kind === 'contrast') return `for ${taken(row.predicted, row.actual, ' against ')}`
  return DATA.kinds[kind]
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

function badge(words, className = 'badge') {
  return element('span', {className}, words)
}

function stack(row, layer, kind, inCells) {
  const is = row.actual === row.predicted ? className(row.actual) : taken(row.actual, row.predicted, ', taken for ')
  const isMapped = layer && hasMap(row, layer, kind)
  const map = isMapped ? `, and over it the map of ${layerWords(layer)} ${whose(row, kind)}` : ''
  return stackOf({row, layer, kind, inCells}, `picture #${nameOf(row)}: ${is}${map}`)
}

function layerWords(layer) {
  return DATA.layers[layer].words
}

// What the colours of a map mean
function legend(kind) {
  const canvas = element('canvas', {className: 'scale'})
  const isBoth = isSigned(kind)
  drawScale(canvas, isBoth ? 'signed' : 'plain', isBoth ? 3 : 0)
  const contrast = ['what it is', 'what it predicted']
  const [least, most] = isBoth ? (kind === 'contrast' ? contrast : ['against', 'for']) : ['little', 'much evidence']
  return element('span', {className: 'legend'}, canvas, soft('span', least), soft('span', most))
}

// The tiles

function whichText(row, layer, kind) {
  const status = layer ? statusOf(row, layer, kind) : 'ok'
  return `#${nameOf(row)}` + (status === 'ok' ? '' : `, map: ${status}`)
}

function whatText(row) {
  const what = row.actual === row.predicted ? className(row.actual) : taken(row.actual, row.predicted, ' → ')
  return `${what} ${percent(row.prob)}`
}

function badgesOf(row) {
  const mark = MARKS.get(row.file)
  const said = mark ? [badge(wordsOf(mark), 'badge mark')] : []
  if (noteOf(mark)) said.push(soft('span', noteOf(mark)))
  if (row.doubtful) said.push(badge('label doubtful'))
  return [...HOOKS.badges(row), ...said]
}

function quickButton(row, key) {
  const title = `${KEYS[key]} (${key})`
  const button = element('button', {type: 'button', title}, key)
  button.setAttribute('aria-label', `#${nameOf(row)}: ${KEYS[key]}`)
  button.addEventListener('click', () => markByKey(row, key))
  return button
}

function tile(row) {
  const layer = $('#maps').checked ? valueOf('#layer') : ''
  const kind = valueOf('#kind')
  const stacks = element('span', {className: 'stacks'}, ...HOOKS.stacks(row, layer, kind, $('#cells').checked))
  const button = element('button', {className: 'tile', type: 'button'}, stacks)
  button.append(element('span', {}, HOOKS.words(row)), soft('span', whichText(row, layer, kind)))
  button.append(element('span', {className: 'badges'}, ...badgesOf(row)))
  button.addEventListener('click', () => openLarge(row))
  const quick = element('div', {className: 'quick'}, ...Object.keys(KEYS).map(key => quickButton(row, key)))
  const item = element('li', {className: 'item'}, button, quick)
  item.row = row
  return item
}

function makeMore() {
  const next = state.shown.slice(state.made, state.made + AT_ONCE)
  $('#tiles').append(...next.map(tile))
  prepare(next)
  state.made += next.length
}

// The end of the tiles comes into sight: more are made, until it is out of it, or there are no more
const ending = new IntersectionObserver(onEnding, {rootMargin: '1000px'})

function onEnding([{isIntersecting}]) {
  if (!isIntersecting || state.made >= state.shown.length) return
  makeMore()
  watchEnding()
}

// Anew: whether the end is in sight is told once, also if it stays there
function watchEnding() {
  ending.unobserve($('#ending'))
  ending.observe($('#ending'))
}

function countText() {
  const [n, all] = [state.shown.length, DATA.rows.length]
  const whole = DATA.n_mistakes ?? all
  const rest = all < whole ? `, which are those of largest loss among ${figure(whole)}` : ''
  if (!isFiltered()) return things(all) + rest
  const pair = pairShown()
  const ofPair = DATA.pairs?.[pair] ?? 0
  const inAll = ofPair > n ? `; ${figure(ofPair)} of this kind in all` : ''
  return `${figure(n)} of ${things(all)}${rest}${inAll}`
}

function draw() {
  forget($('#tiles').querySelectorAll('.stack'))
  state.shown = chosen()
  state.made = 0
  $('#tiles').replaceChildren()
  makeMore()
  watchEnding()
  showState()
}

// What the controls say
function showState() {
  $('#count').textContent = countText()
  $('#nothing').hidden = state.shown.length > 0
  for (const button of document.querySelectorAll('.all')) button.disabled = !isFiltered()
  $('#legend').replaceChildren(legend(valueOf('#kind')))
  shadeBars()
  showMarks()
  const pair = pairShown()
  for (const button of document.querySelectorAll('[data-pair]')) {
    button.setAttribute('aria-pressed', String(button.dataset.pair === pair))
  }
}

// Marks

function showMarks() {
  $('#n').textContent = figure(MARKS.size)
  $('#take').disabled = MARKS.size === 0
  $('#undo').disabled = UNDONE.length === 0
}

function showMarkOf(file) {
  for (const item of $('#tiles').children) {
    if (item.row.file === file) item.querySelector('.badges').replaceChildren(...badgesOf(item.row))
  }
  showMarks()
  if (state.open?.file === file) showMarking(state.open)
}

function showAllMarks() {
  for (const item of $('#tiles').children) item.querySelector('.badges').replaceChildren(...badgesOf(item.row))
  showMarks()
  if (state.open) showMarking(state.open)
}

function putMark(row, mark) {
  change(row, mark)
  showMarkOf(row.file)
}

function markAs(row, kind, label) {
  state.asked = null
  putMark(row, markOf(row, kind, label, noteOf(MARKS.get(row.file))))
}

function markByKey(row, key) {
  if (KEYS[key] === 'wrong label') askForLabel(row)
  else markAs(row, KEYS[key])
}

function undoMark() {
  const file = undo()
  if (file) showMarkOf(file)
}

// A wrong label: which is the right one? The most probable classes come first
async function askForLabel(row) {
  if (!(await isOpen(row))) return
  state.asked = row
  $('#asking').hidden = false
  $('#label').focus()
}

function option(number) {
  return element('option', {value: String(number)}, className(number))
}

function fillLabels(row) {
  const others = DATA.classes.map((_, number) => number).filter(number => number !== row.actual)
  const first = (row.probs ?? []).map(([number]) => number).filter(number => number !== row.actual)
  const best = element('optgroup', {label: 'most probable'}, ...first.slice(0, 5).map(option))
  const rest = element('optgroup', {label: 'all other classes'}, ...others.map(option))
  $('#label').replaceChildren(best, rest)
}

function keepLabel() {
  markAs(state.open, 'wrong label', className(Number($('#label').value)))
  $('#close').focus()
}

function keepNote() {
  const row = state.open
  const mark = MARKS.get(row.file)
  const note = $('#note').value.trim().replace(/\s+/g, ' ')
  if (note === noteOf(mark)) return
  const kind = mark ? kindOf(mark) : NOTE
  const isLeft = note || kind !== NOTE
  putMark(row, isLeft ? markOf(row, kind, mark?.label ?? '', note) : undefined)
}

function showMarking(row) {
  const mark = MARKS.get(row.file)
  const kind = mark && kindOf(mark)
  for (const button of document.querySelectorAll('[data-mark]')) {
    button.setAttribute('aria-pressed', String(KEYS[button.dataset.mark] === kind))
  }
  $('#said').textContent = mark ? wordsOf(mark) : ''
  if (document.activeElement !== $('#note')) $('#note').value = noteOf(mark)
  $('#unmark').disabled = !mark
  $('#asking').hidden = kind !== 'wrong label' && state.asked !== row
  const label = DATA.classes.indexOf(mark?.label)
  const isChoosing = document.activeElement === $('#label')
  if (kind === 'wrong label' && label >= 0 && !isChoosing) $('#label').value = String(label)
}

// The large view

function mapCell(row, layer, kind) {
  const status = statusOf(row, layer, kind)
  const cell = element('td', {}, stack(row, layer, kind, $('#cells').checked))
  if (status !== 'ok') cell.append(element('small', {}, status))
  const road = kind === 'predicted' ? row.road?.[layer] : undefined
  if (road !== undefined) cell.append(element('small', {}, `ROAD ${signed(road)}`))
  return cell
}

function mapRow(row, kind, layers) {
  const head = element('th', {scope: 'row'}, whose(row, kind), legend(kind))
  const cells = layers.map(layer => (LAYOUT.places[kind][layer] ? mapCell(row, layer, kind) : element('td')))
  return element('tr', {}, head, ...cells)
}

function mapTable(row) {
  const layers = Object.keys(DATA.layers)
  const heads = layers.map(layer => {
    const cells = soft('small', DATA.layers[layer].cells)
    return element('th', {scope: 'col'}, layerWords(layer), element('br'), cells)
  })
  const kinds = DATA.runs ?? Object.keys(LAYOUT.places) // names that are numbers have an order of their own
  const rows = kinds.map(kind => mapRow(row, kind, layers))
  return element('table', {className: 'maps'}, element('tr', {}, element('th', {}, 'evidence'), ...heads), ...rows)
}

function probability(row, number, share) {
  const isActual = number === row.actual
  const name = element('b', {}, className(number) + (isActual ? ' (actual)' : ''))
  const words = element('span', {}, `${(100 * share).toFixed(2)}\u00a0%`)
  const bar = element('i')
  bar.style.setProperty('--p', share)
  return element('li', {className: isActual ? '' : 'wrong'}, name, words, bar)
}

function description(row) {
  const figures = `loss ${row.loss?.toFixed(2) ?? 'not finite'}, margin ${signed(row.margin)}`
  const made = soft('p', `#${nameOf(row)}, ${row.file}`, element('br'), figures)
  if (row.doubtful) made.append(element('br'), badge('label doubtful'))
  return made
}

function showLarge(row) {
  const probs = (row.probs ?? []).map(([number, share]) => probability(row, number, share))
  forget($('#large').querySelectorAll('.stack'))
  $('#which').textContent = HOOKS.words(row)
  $('#sight').replaceChildren(stack(row), description(row), element('ul', {className: 'probs'}, ...probs))
  $('#evidence').replaceChildren(mapTable(row), ...HOOKS.more(row))
  $('#previous').disabled = !besides(row, -1)
  $('#next').disabled = !besides(row, 1)
  fillLabels(row)
  $('#note').value = noteOf(MARKS.get(row.file))
  showMarking(row)
}

// What is asked of a row may take a while. Until it is there, the one before it stays in the view, with its note
async function openLarge(row) {
  state.coming = row
  try {
    const known = await HOOKS.details(row)
    if (state.coming === row) nowOpen(known)
  } catch (error) {
    if (state.coming === row) state.coming = null
    tellOf(`#${nameOf(row)} can't be shown: ${error.message}`)
  }
}

function nowOpen(row) {
  if (state.open) keepNote()
  Object.assign(state, {open: row, coming: null, asked: null})
  showLarge(row)
  setAddress(`#${nameOf(row)}`)
  if (!$('#large').open) $('#large').showModal()
}

async function isOpen(row) {
  if (state.open !== row) await openLarge(row)
  return state.open === row
}

function besides(row, by) {
  const position = state.shown.indexOf(row)
  return position < 0 ? undefined : state.shown[position + by]
}

function step(by) {
  const next = besides(state.coming ?? state.open, by)
  if (next) openLarge(next)
}

// Which tile has the focus goes by the picture that was last looked at
function onClose() {
  keepNote()
  const position = state.shown.indexOf(state.open)
  Object.assign(state, {open: null, coming: null})
  forget($('#large').querySelectorAll('.stack'))
  setAddress(location.href.split('#')[0])
  if (position < 0) return // the focus is where it was before
  const isNear = position < Math.max(20 * AT_ONCE, state.made + 5 * AT_ONCE)
  while (isNear && state.made <= position) makeMore()
  const item = $('#tiles').children[position] ?? $('#tiles').lastElementChild
  item?.firstChild.focus()
}

// Addresses: #526 is a picture, or #train-526 where there are several sets

function setAddress(address) {
  history.replaceState(null, '', address)
}

function rowsCalled(name) {
  if (BY_NAME.has(name)) return [BY_NAME.get(name)]
  return DATA.rows.filter(row => String(row.idx) === name)
}

function goToAddress() {
  const name = decodeURIComponent(location.hash.slice(1))
  if (!/^(\w+-)?\d+$/.test(name)) return
  const rows = rowsCalled(name)
  const several = rows.map(row => `#${nameOf(row)}`).join(' or ')
  if (rows.length === 0) tellOf(`There is no picture #${name} here, among ${things(DATA.rows.length)}.`)
  else if (rows.length > 1) tellOf(`There are several pictures #${name}: say which, ${several}.`)
  else openInGallery(rows[0])
}

// A picture that the filters hide is shown all the same
function openInGallery(row) {
  if (!state.shown.includes(row)) {
    clearFilters()
    draw()
  }
  tellOf('')
  openLarge(row)
}

// What people do

function showAll() {
  clearFilters()
  draw()
}

// A kind of mistake is shown whole: other filters might leave nothing of it
function togglePair(button) {
  const isShown = button.dataset.pair === pairShown()
  const [actual, predicted] = button.dataset.pair.split(',')
  clearFilters()
  if (!isShown) {
    $('#actual').value = actual
    $('#predicted').value = predicted
  }
  draw()
  if (!isShown) $('#gallery').scrollIntoView()
}

function isField(target) {
  return target.matches('input:not([type=checkbox]), select, textarea')
}

function focusedItem() {
  return document.activeElement?.closest?.('.item')
}

function onArrow(by) {
  if (state.open) step(by)
  else neighbour(focusedItem(), by)?.firstChild.focus()
}

function neighbour(item, by) {
  return by > 0 ? item?.nextElementSibling : item?.previousElementSibling
}

function onKey(event) {
  if (isField(event.target) || event.ctrlKey || event.metaKey || event.altKey) return
  const row = state.open ?? focusedItem()?.row
  if (event.key === 'u') undoMark()
  if (!row) return
  if (event.key === 'ArrowLeft') onArrow(-1)
  if (event.key === 'ArrowRight') onArrow(1)
  if (KEYS[event.key]) markByKey(row, event.key)
  if (event.key === 'n') goToNote(row)
  if (KEYS[event.key] || event.key === 'n') event.preventDefault()
}

async function goToNote(row) {
  if (await isOpen(row)) $('#note').focus()
}

function onEnter(event, then) {
  if (event.key !== 'Enter') return
  event.preventDefault()
  then()
}

// The lists of classes that there are, with how many pictures each has
function fillClasses(select, which) {
  const counts = new Map()
  for (const row of DATA.rows) counts.set(row[which], (counts.get(row[which]) ?? 0) + 1)
  const numbers = [...counts.keys()].sort((a, b) => a - b)
  const options = numbers.map(number => {
    const words = `${className(number)} (${figure(counts.get(number))})`
    return element('option', {value: String(number)}, words)
  })
  select.append(...options)
}

function listen() {
  for (const control of document.querySelectorAll('.controls select, .controls [type=checkbox]')) {
    control.addEventListener('change', draw)
  }
  for (const end of [$('#least'), $('#most')]) {
    end.addEventListener('input', onEnd)
    end.addEventListener('input', draw)
  }
  $('#text').addEventListener('input', draw)
  for (const button of document.querySelectorAll('[data-pair]')) {
    button.addEventListener('click', () => togglePair(button))
  }
  for (const button of document.querySelectorAll('.all')) button.addEventListener('click', showAll)
  $('#take').addEventListener('click', download)
  $('#undo').addEventListener('click', undoMark)
  addEventListener('hashchange', goToAddress)
  addEventListener('beforeprint', paintAll)
  addEventListener('storage', onStorage)
  document.addEventListener('keydown', onKey)
}

function listenToLarge() {
  for (const button of document.querySelectorAll('[data-mark]')) {
    button.addEventListener('click', () => markByKey(state.open, button.dataset.mark))
  }
  $('#keep').addEventListener('click', keepLabel)
  $('#label').addEventListener('keydown', event => onEnter(event, keepLabel))
  $('#note').addEventListener('change', keepNote)
  $('#note').addEventListener('keydown', event => onEnter(event, () => $('#close').focus()))
  $('#unmark').addEventListener('click', () => putMark(state.open, undefined))
  $('#previous').addEventListener('click', () => step(-1))
  $('#next').addEventListener('click', () => step(1))
  $('#close').addEventListener('click', () => $('#large').close())
  $('#large').addEventListener('close', onClose)
}

// On a wide screen the controls are open
function unfold() {
  if (!matchMedia('(min-width: 60rem)').matches) return
  for (const fold of document.querySelectorAll('.side details')) fold.open = true
}

async function start() {
  store = HOOKS.store()
  DATA.rows = await HOOKS.rows()
  DATA.rows.forEach((row, place) => {
    row.place = place
    BY_NAME.set(nameOf(row), row)
  })
  await loadMarks()
  fillClasses($('#actual'), 'actual')
  fillClasses($('#predicted'), 'predicted')
  unfold()
  drawBars()
  listen()
  listenToLarge()
  draw()
  if (!canRead()) tellOf('This browser lets no page read pictures, so the maps may be wrong: try another browser.')
  goToAddress()
}
