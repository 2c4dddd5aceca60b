// The page that is served: all pictures, which come as they are predicted; marks, which go into labels.csv; photos; and
// the line that trains again. The server is asked by paths beside this page, whose address has its secret.

const MOST_BYTES = 32 * 2 ** 20
const SETS = new Map() // of each set how many pictures it has, how many are predicted, and taken over, and right
const KNOWN = new Map() // marks by file, as the server had them when this tab last heard of them
const DOUBTS = new Map() // what is said of the doubtful labels of each set
const WAITING = [] // files of marks that are on their way
let lastSent = Promise.resolve()
let version = null // of labels.csv
let features = '' // 'ready' when the nearest training pictures can be told, or why they can't

// Asking

async function ask(path, options) {
  const answer = await fetch(path, options).catch(() => {
    throw new Error('The program that serves this page has ended: start it again by `cifar-cam open`.')
  })
  if (!answer.ok) throw new Error(await answer.text())
  return answer.json()
}

function asJson(what) {
  return {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(what)}
}

function notice(words) {
  $('#notice').textContent = words
  $('#notice').hidden = !words
}

function wait(milliseconds) {
  return new Promise(resolve => setTimeout(resolve, milliseconds))
}

// Marks. The server writes them, the last one wins, and every tab hears of it

function isSame(a, b) {
  return ['label', 'why', 'when'].every(key => a?.[key] === b?.[key])
}

// Take over what the server has, but of files that something is still to be said of; the files of which that is news
function takeOver(marks) {
  const now = new Map(marks.map(mark => [mark.file, mark]))
  const files = new Set([...now.keys(), ...KNOWN.keys()])
  const changed = [...files].filter(file => !isSame(now.get(file), KNOWN.get(file)))
  for (const file of changed) {
    if (!WAITING.includes(file)) setMark(file, now.get(file))
  }
  KNOWN.clear()
  for (const mark of marks) KNOWN.set(mark.file, mark)
  return changed
}

function showMarksOf(files) {
  if (files.length > 50) draw()
  else files.forEach(showMarkOf)
  countMarks()
}

// One after the other, so that the last one wins
function send(file, what) {
  WAITING.push(file)
  const sent = lastSent.then(() => sendNow(file, what))
  lastSent = sent.catch(() => {})
  return sent
}

async function sendNow(file, what) {
  const before = KNOWN.get(file)
  const o = await ask('marks', asJson(what)).finally(() => WAITING.splice(WAITING.indexOf(file), 1))
  const other = o.before.find(mark => mark.file === file)
  version = o.version
  showMarksOf(takeOver(o.marks))
  const isOther = other && !isSame(other, before)
  notice(isOther ? `Another tab had marked ${file}: ${wordsOf(other)}. Yours took its place.` : '')
}

// One that was taken back may be of a table that somebody wrote by hand, with other words and columns
function sendable(mark) {
  return {file: mark.file, label: mark.label, why: whyOf(kindOf(mark), noteOf(mark))}
}

function servedStore() {
  return {
    key: 'of the server',
    where: 'in labels.csv',
    load: async () => {
      const o = await ask('marks')
      version = o.version
      takeOver(o.marks)
      countMarks()
      return o.marks
    },
    put: mark => send(mark.file, {put: [sendable(mark)]}),
    remove: file => send(file, {drop: [file]}),
  }
}

async function hearOfMarks() {
  const o = await ask('marks')
  version = o.version
  const changed = takeOver(o.marks)
  if (!changed.length) return
  showMarksOf(changed)
  const more = changed.length > 3 ? ` and ${changed.length - 3} more` : ''
  notice(`Marked elsewhere: ${changed.slice(0, 3).join(', ')}${more}.`)
}

// Rows: those of all sets, as they come

const ARRIVED = [] // rows that no list has yet

async function newRows() {
  for (const [name, set] of SETS) {
    while (set.taken < set.done) {
      const rows = await ask(`rows/${encodeURIComponent(name)}/${set.taken}`)
      set.taken += rows.length
      set.right += rows.filter(row => row.actual === row.predicted).length
      ARRIVED.push(...rows)
    }
  }
  return ARRIVED.splice(0)
}

function takeRows(rows) {
  for (const row of rows) {
    row.place = DATA.rows.push(row) - 1
    BY_NAME.set(nameOf(row), row)
  }
}

function refill(select, which) {
  const value = select.value
  select.replaceChildren(select.firstElementChild)
  fillClasses(select, which)
  select.value = value
}

// The gallery stays as it is, until one asks for what is new; a short one grows by itself
function showNew() {
  refill($('#actual'), 'actual')
  refill($('#predicted'), 'predicted')
  drawBars()
  shadeBars()
  const n = DATA.rows.filter(row => FILTERS.every(isIn => isIn(row))).length - state.shown.length
  if (n && state.shown.length < AT_ONCE) drawAll()
  $('#fresh').hidden = n <= 0 || state.shown.length < AT_ONCE
  $('#fresh').textContent = `show ${figure(n)} more, which have been predicted meanwhile`
  $('#count').textContent = countText()
}

function drawAll() {
  $('#fresh').hidden = true
  draw()
}

// In percent; with one mistake or more it is never 100, however many pictures there are
function shareOf(right, n) {
  const digits = [1, 2, 3, 4, 5, 6].find(d => !['0', '100'].includes(String(Number(((100 * right) / n).toFixed(d)))))
  return ((100 * right) / Math.max(n, 1)).toFixed(right % n ? digits : 1)
}

function progressOf(name, {n, done, right}) {
  const words = done < n ? `${name}: predicted ${figure(done)} of ${figure(n)} ` : `${name}: ${figure(n)} pictures, `
  const share = `${shareOf(right, done)}\u00a0% right`
  const item = element('li', {}, words)
  if (done < n) item.append(element('progress', {max: n, value: done, ariaLabel: `predicting ${name}`}))
  else item.append(share)
  return item
}

// Labels that are doubtful, which is told of a set when it can be
function takeDoubts(doubtful) {
  for (const [name, {idxs, said}] of Object.entries(doubtful)) {
    if (DOUBTS.has(name)) continue
    DOUBTS.set(name, said)
    for (const idx of idxs) BY_NAME.get(`${name}-${idx}`).doubtful = true
    for (const item of $('#tiles').children) item.querySelector('.badges').replaceChildren(...badgesOf(item.row))
  }
}

function showProgress(trouble) {
  const items = [...SETS].map(([name, set]) => progressOf(name, set))
  const isAll = [...SETS.values()].every(set => set.done === set.n)
  if (isAll && !features) items.push(soft('li', 'going through the training pictures, to find the nearest'))
  if (trouble) items.push(element('li', {}, trouble))
  items.push(...[...DOUBTS.values()].map(said => soft('li', said)))
  $('#progress').replaceChildren(...items)
}

async function hear() {
  const o = await ask('state')
  features = o.features
  for (const {name, n, done} of o.sets) SETS.set(name, {taken: 0, right: 0, ...SETS.get(name), n, done})
  const rows = await newRows()
  showProgress(o.trouble)
  return {...o, rows}
}

// All rows that there are when the page is opened, and at least some
async function firstRows() {
  while (true) {
    const {rows, trouble} = await hear()
    if (rows.length || trouble) return rows
    await wait(300)
  }
}

async function goOn() {
  while (true) {
    const isBusy = !features || DOUBTS.size < SETS.size || [...SETS.values()].some(set => set.done < set.n)
    await wait(isBusy ? 1000 : 3000)
    if (document.hidden) continue
    try {
      const o = await hear()
      takeRows(o.rows)
      takeDoubts(o.doubtful)
      if (o.rows.length) showNew()
      if (o.version !== version) await hearOfMarks()
    } catch (error) {
      notice(error.message)
    }
  }
}

// Pictures that are in sight are asked for together, so that the network goes through them together

const coming = new Set()
const sight = new IntersectionObserver(onComing, {rootMargin: '300px'})

function onComing(entries) {
  for (const {target, isIntersecting} of entries) {
    if (isIntersecting && target.row && !opened.has(partsOf(target.row).maps.address)) coming.add(target.row)
  }
  if (coming.size) setTimeout(askAhead, 0)
}

function askAhead() {
  const rows = [...coming]
  coming.clear()
  for (const name of SETS.keys()) {
    const idxs = rows.filter(row => row.set === name).map(row => row.idx)
    if (idxs.length) ask('ahead', asJson({name, idxs: idxs.slice(0, 200)})).catch(error => notice(error.message))
  }
}

// The large view: all that is known of a picture, and the training pictures that are nearest to it

async function detailsOf(row) {
  return Object.assign(row, await ask(`picture/${encodeURIComponent(row.set)}/${row.idx}`))
}

function nearTile(near) {
  const words = `training picture #${near.idx}: ${near.label}`
  const picture = element('img', {src: near.image, alt: words, className: 'pixels'})
  const button = element('button', {type: 'button'}, picture, near.label)
  button.append(element('br'), soft('span', near.similarity.toFixed(3)))
  button.addEventListener('click', () => openTaught(near))
  return element('li', {}, button)
}

function openTaught(near) {
  const row = BY_NAME.get(`${DATA.taught}-${near.idx}`)
  if (row) openLarge(row)
  else notice(`${near.file} is not predicted yet.`)
}

function nearList({near, why}) {
  if (!near) return soft('p', why)
  return element('ul', {className: 'strip'}, ...near.map(nearTile))
}

function taughtThese(row) {
  const place = element('div', {className: 'taught'}, soft('p', 'looking for the nearest training pictures …'))
  const path = `near/${encodeURIComponent(row.set)}/${row.idx}`
  ask(path).then(
    o => place.replaceChildren(nearList(o)),
    error => place.replaceChildren(soft('p', error.message))
  )
  const words = 'It was taught these: the nearest training pictures, by the cosine of features'
  return [element('h3', {}, words), place]
}

// A photo

function classLine({class: name, prob}) {
  const bar = element('i')
  bar.style.setProperty('--p', prob)
  return element('li', {}, element('b', {}, name), element('span', {}, `${(100 * prob).toFixed(1)}\u00a0%`), bar)
}

function mapTile({layer, cells, status, image}, against) {
  const picture = element('img', {src: image, alt: `map of ${layer} for ${against}`})
  return element('li', {}, picture, layer, ' ', soft('span', status === 'ok' ? cells : status))
}

function showPhoto(o) {
  const picture = element('img', {src: o.picture, alt: 'the photo, as the network takes it', className: 'pixels'})
  const bars = element('ul', {className: 'probs'}, ...o.classes.map(classLine))
  const maps = o.maps.map(map => mapTile(map, o.against))
  const wide = element('div', {className: 'wide'}, element('p', {}, o.word))
  wide.append(soft('p', `Maps for ${o.against}:`), element('ul', {className: 'strip'}, ...maps))
  if (o.near) wide.append(soft('p', 'The nearest training pictures:'), nearList(o))
  $('#seen').replaceChildren(element('div', {className: 'looked'}, picture, bars, wide))
}

async function look(file) {
  $('#seen').replaceChildren(soft('p', `looking at ${file.name || 'the photo'} …`))
  try {
    const words = `${file.name} is larger than ${MOST_BYTES / 2 ** 20} MB: give a smaller picture`
    if (file.size > MOST_BYTES) throw new Error(words)
    showPhoto(await ask('look', {method: 'POST', body: file}))
  } catch (error) {
    $('#seen').replaceChildren(element('p', {}, error.message))
  }
}

function lookAtFirst(files) {
  const [file] = files
  if (!file) return
  look(file)
  $('#drop').scrollIntoView({block: 'nearest'})
}

function onDrag(event) {
  event.preventDefault()
  $('#drop').classList.toggle('over', event.type === 'dragover')
  if (event.type === 'drop') lookAtFirst(event.dataTransfer.files)
}

// Train again

function countMarks() {
  const n = [...MARKS.values()].filter(mark => mark.label !== mark.was).length
  const words = `${figure(MARKS.size)} marks, ${figure(n)} of which change a label or leave a picture out.`
  $('#counted').textContent = MARKS.size ? words : 'Nothing is marked yet.'
  $('#changing').textContent = n ? `: ${figure(n)} to change` : ''
}

async function copyLine(line, button) {
  try {
    await navigator.clipboard.writeText(line)
    button.textContent = 'copied'
  } catch (error) {
    getSelection().selectAllChildren($('#line').querySelector('.line'))
    button.textContent = 'selected: copy it by Ctrl+C'
  }
}

async function showLine() {
  try {
    const {line, why} = await ask('again')
    if (!line) return $('#line').replaceChildren(element('p', {}, why))
    const button = element('button', {type: 'button'}, 'copy')
    button.addEventListener('click', () => copyLine(line, button))
    const words = line.split(' ').flatMap(word => [element('span', {}, word), ' '])
    const note = why ? [element('p', {}, why)] : []
    $('#line').replaceChildren(element('code', {className: 'line'}, ...words), button, ...note)
  } catch (error) {
    $('#line').replaceChildren(element('p', {}, error.message))
  }
}

// The beginning

function listenToPage() {
  for (const type of ['dragover', 'dragleave', 'drop']) document.addEventListener(type, onDrag)
  document.addEventListener('paste', event => lookAtFirst(event.clipboardData.files))
  $('#file').addEventListener('change', event => lookAtFirst(event.target.files))
  $('#fresh').addEventListener('click', drawAll)
  new MutationObserver(changes => {
    for (const {addedNodes} of changes) addedNodes.forEach(node => sight.observe(node))
  }).observe($('#tiles'), {childList: true})
}

Object.assign(HOOKS, {rows: firstRows, details: detailsOf, more: taughtThese, store: servedStore})
listenToPage()
showLine()
start().then(goOn, error => notice(error.message))
