// What people say of the labels: marks, each of which is a row of labels.csv, {file, label, was, why, when}. A store
// keeps them, and has `load()` (all marks), `put(mark)` and `remove(file)`, which are promises. The one here is the
// browser's. A page that is served has another, which it makes in `HOOKS.store`.

const KEYS = {r: 'right label', w: 'wrong label', b: 'both', x: 'bad picture'}
const NOTE = 'note'
const MARKS = new Map() // by file
const UNDONE = [] // what was there before: [file, mark or undefined], the newest last
const UNKEPT = new Map() // files of marks that no store took, and why
let store = null

// Rows

// A table that somebody wrote by hand may say why in other words, or not at all: its labels tell the kind then
function isOurs(mark) {
  return [...Object.values(KEYS), NOTE].includes(mark.why.split('; ')[0])
}

function kindOf(mark) {
  if (isOurs(mark)) return mark.why.split('; ')[0]
  if (mark.label === '') return 'bad picture'
  return mark.label === mark.was ? 'right label' : 'wrong label'
}

function noteOf(mark) {
  if (!mark || !isOurs(mark)) return mark?.why ?? ''
  return mark.why.split('; ').slice(1).join('; ')
}

function whyOf(kind, note) {
  return note ? `${kind}; ${note}` : kind
}

function labelOf(row, kind, label) {
  if (kind === 'bad picture') return ''
  return kind === 'wrong label' ? label : className(row.actual)
}

function markOf(row, kind, label, note) {
  const when = new Date().toISOString().slice(0, 19) + 'Z'
  return {file: row.file, label: labelOf(row, kind, label), was: className(row.actual), why: whyOf(kind, note), when}
}

function wordsOf(mark) {
  return kindOf(mark) === 'wrong label' ? `${mark.was} is wrong: ${mark.label}` : kindOf(mark)
}

// The browser's own store. Several pages may be open on it, so each change is made to what is there then

function readKept(key) {
  const kept = JSON.parse(localStorage.getItem(key) || '{}')
  return kept && typeof kept === 'object' ? kept : {}
}

function changeKept(key, change) {
  const kept = readKept(key)
  change(kept)
  localStorage.setItem(key, JSON.stringify(kept))
}

function browserStore() {
  const key = `cifar_cam marks of ${DATA.key}`
  return {
    key,
    where: 'in this browser',
    load: async () => Object.values(readKept(key)),
    put: async mark => changeKept(key, kept => (kept[mark.file] = mark)),
    remove: async file => changeKept(key, kept => delete kept[file]),
  }
}

// Changes, which can be undone

function setMark(file, mark) {
  if (mark) MARKS.set(file, mark)
  else MARKS.delete(file)
}

async function keep(file, mark) {
  setMark(file, mark)
  try {
    await (mark ? store.put(mark) : store.remove(file))
    UNKEPT.delete(file)
  } catch (error) {
    UNKEPT.set(file, error.message)
  }
  tellOf(unkeptWords())
}

function unkeptWords() {
  if (!UNKEPT.size) return ''
  const [file, why] = [...UNKEPT].at(-1)
  const which = UNKEPT.size > 1 ? `${file} and ${UNKEPT.size - 1} more` : file
  return `Not kept ${store.where}: ${which} (${why}). Take labels.csv along before this page is closed.`
}

function change(row, mark) {
  UNDONE.push([row.file, MARKS.get(row.file)])
  return keep(row.file, mark)
}

function undo() {
  if (!UNDONE.length) return
  const [file, mark] = UNDONE.pop()
  keep(file, mark)
  return file
}

function tellOf(problem) {
  for (const place of document.querySelectorAll('.problem')) place.textContent = problem
}

async function loadMarks() {
  try {
    for (const mark of await store.load()) MARKS.set(mark.file, mark)
  } catch (error) {
    const why = `Marks kept ${store.where} can't be read (${error.message})`
    tellOf(`${why}: take labels.csv along before this page is closed.`)
  }
}

// Another tab has changed the marks
async function onStorage(event) {
  if (event.key !== store.key && event.key !== null) return // null: all that was kept is gone
  MARKS.clear()
  await loadMarks()
  showAllMarks()
}

// labels.csv, as `read_labels` reads it. No spreadsheet computes what stands in it, as by Python's `as_cell`

function asCell(text) {
  const bare = text.replace(/^'+/, '')
  const isFigure = bare.trim() !== '' && Number.isFinite(Number(bare))
  return /^[=+\-@\t\r\n＝＋－＠]/.test(bare) && !isFigure ? `'${text}` : text
}

function quoted(text) {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function csvOf(marks) {
  const names = ['file', 'label', 'was', 'why', 'when']
  const lines = marks.map(mark => names.map(name => quoted(asCell(mark[name]))).join())
  return [names.join(), ...lines, ''].join('\n')
}

function download() {
  const address = URL.createObjectURL(new Blob([csvOf([...MARKS.values()])], {type: 'text/csv'}))
  element('a', {href: address, download: 'labels.csv'}).click()
  setTimeout(() => URL.revokeObjectURL(address), 60000)
}
