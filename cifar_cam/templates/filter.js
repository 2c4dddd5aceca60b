// Which pictures are shown, and in which order. A filter is asked of each row. Those that stand here go by the controls
// of gallery.html that are there, and a page may put more into FILTERS.

// JSON has no loss that is not finite: it is null here, and larger than all others
function byLoss(a, b) {
  const [first, second] = [a.loss ?? Infinity, b.loss ?? Infinity]
  return first === second ? 0 : second - first
}

const ORDERS = {
  loss: byLoss,
  confidence: (a, b) => b.prob - a.prob,
  margin: (a, b) => a.margin - b.margin,
  class: (a, b) => a.actual - b.actual || a.predicted - b.predicted || byLoss(a, b),
}

const FILTERS = [isOfSet, isRightOrWrong, isOfClasses, isAsSure, hasText, isDoubtfulIfAsked, isMarkedAsAsked]

function valueOf(id) {
  return $(id)?.value ?? ''
}

function isOfSet(row) {
  const set = valueOf('#set')
  return !set || row.set === set
}

function isRightOrWrong(row) {
  const which = valueOf('#correct')
  return !which || (row.actual === row.predicted) === (which === 'right')
}

function isOfClasses(row) {
  const actual = valueOf('#actual')
  const predicted = valueOf('#predicted')
  return (!actual || row.actual === Number(actual)) && (!predicted || row.predicted === Number(predicted))
}

function isAsSure(row) {
  const share = Math.round(100 * row.prob)
  return share >= Number($('#least').value) && share <= Number($('#most').value)
}

function hasText(row) {
  const text = valueOf('#text').trim().toLowerCase()
  if (!text) return true
  if (text.startsWith('#')) return [nameOf(row), row.idx].some(o => `#${o}`.toLowerCase().startsWith(text))
  const mark = MARKS.get(row.file)
  return [row.file, className(row.actual), className(row.predicted), mark?.label ?? '', mark?.why ?? '']
    .some(o => o.toLowerCase().includes(text))
}

function isDoubtfulIfAsked(row) {
  return !$('#doubtful')?.checked || row.doubtful
}

function isMarkedAsAsked(row) {
  const asked = valueOf('#marked')
  const mark = MARKS.get(row.file)
  if (!asked) return true
  if (asked === 'none') return !mark
  return Boolean(mark) && (asked === 'any' || kindOf(mark) === asked)
}

function chosen() {
  const order = ORDERS[valueOf('#sort')]
  const rows = DATA.rows.filter(row => FILTERS.every(isIn => isIn(row)))
  return rows.sort((a, b) => order(a, b) || a.place - b.place)
}

// Lists and texts that filter, of which not every page has all
const ASKED = ['#set', '#correct', '#change', '#actual', '#predicted', '#text', '#marked']

function isFiltered() {
  const isSet = ASKED.some(valueOf)
  return isSet || $('#least').value !== '0' || $('#most').value !== '100' || Boolean($('#doubtful')?.checked)
}

function clearFilters() {
  for (const id of ASKED) {
    if ($(id)) $(id).value = ''
  }
  $('#least').value = '0'
  $('#most').value = '100'
  if ($('#doubtful')) $('#doubtful').checked = false
}

// The pair of classes that the filters ask for, as the buttons of the matrix have it; null if it is not one pair
function pairShown() {
  const pair = [valueOf('#actual'), valueOf('#predicted')]
  return pair.every(Boolean) ? pair.join() : null
}

// The histogram of confidence: its bars, and the two ends that are dragged or moved by keys

const BARS = 25

function drawBars() {
  const counts = new Array(BARS).fill(0)
  for (const row of DATA.rows) counts[Math.min(Math.floor(row.prob * BARS), BARS - 1)] += 1
  const most = Math.max(...counts, 1)
  const bars = counts.map(n => {
    const bar = element('i')
    bar.style.setProperty('--p', n / most)
    return bar
  })
  $('#bars').replaceChildren(...bars)
}

function shadeBars() {
  const [least, most] = [Number($('#least').value), Number($('#most').value)]
  const width = 100 / BARS
  Array.from($('#bars').children).forEach((bar, i) => {
    bar.classList.toggle('out', (i + 1) * width <= least || i * width >= most)
  })
  $('#sure').textContent = `${percent(least / 100)} to ${percent(most / 100)}`
}

// An end that is moved pushes the other one along
function onEnd(event) {
  const [least, most] = [$('#least'), $('#most')]
  const isPast = Number(least.value) > Number(most.value)
  if (isPast && event.target === least) most.value = least.value
  if (isPast && event.target === most) least.value = most.value
}
