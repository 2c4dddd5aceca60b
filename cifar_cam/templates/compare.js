// The page of a comparison. Each network is a kind of evidence: a tile has the map of the first one, and beside it that
// of the other, which is chosen where there are several. Figures of a row are those of the last network.

const RUNS = DATA.runs

// The network that is compared with the first one
function other() {
  const chosen = valueOf('#kind')
  return chosen === RUNS[0] ? RUNS.at(-1) : chosen
}

function runWords(run) {
  return DATA.kinds[run]
}

function saidBy(row, run) {
  const [predicted, prob] = row.said[run]
  return `${className(predicted)} ${percent(prob)}`
}

function bothStacks(row, layer, kind, inCells) {
  if (!layer) return [stack(row)]
  return [RUNS[0], other()].map(run => stack(row, layer, run, inCells))
}

function bothWords(row) {
  return `${className(row.actual)}: ${saidBy(row, RUNS[0])} → ${saidBy(row, other())}`
}

function changeBadge(row) {
  return [badge(row.changes[other()])]
}

function isOfChange(row) {
  const asked = valueOf('#change')
  return !asked || row.changes[other()] === asked
}

// What each network said, as a table
function saidRow(row, run) {
  const [predicted, prob, actual] = row.said[run]
  const cells = [className(predicted), percent(prob), percent(actual), row.changes[run] ?? '']
  const head = element('th', {scope: 'row'}, runWords(run))
  return element('tr', {}, head, ...cells.map(words => element('td', {}, words)))
}

function saidTable(row) {
  const heads = ['network', 'predicted', 'probability', `of ${className(row.actual)}`, 'mistake']
  const head = element('tr', {}, ...heads.map(words => element('th', {scope: 'col'}, words)))
  const note = `Probabilities at the side, loss and margin are those of ${runWords(RUNS.at(-1))}.`
  return [element('table', {className: 'said'}, head, ...RUNS.map(run => saidRow(row, run))), soft('p', note)]
}

Object.assign(HOOKS, {stacks: bothStacks, words: bothWords, badges: changeBadge, more: saidTable})
FILTERS.push(isOfChange)

// The order of the page itself: repaired, new, common, the most telling first
ORDERS.change = () => 0

// A list of one choice is no choice, so it names both
function nameKinds() {
  for (const option of $('#kind').options) option.textContent = `${runWords(RUNS[0])} and ${runWords(option.value)}`
  $('#kind').options[0].remove()
  $('#kind').value = RUNS.at(-1)
}

if ($('#kind')) {
  nameKinds()
  $('#sort').prepend(element('option', {value: 'change', selected: true}, 'change'))
}
