'use strict'

// What is drawn of a picture: its strip, which is the picture and the cells of its maps. In a file, many strips stand
// on sheets, and on a page that is served, each has an address of its own. Which it is, only `partsOf` knows.

const $ = selector => document.querySelector(selector)
const DATA = JSON.parse($('#data').textContent)
const LAYOUT = DATA.layout

// The colours of maps: for each number, red, green, blue and weight
const COLOURS = {
  plain: bytesOf(DATA.colours.plain),
  signed: bytesOf(DATA.colours.signed),
}

function bytesOf(letters) {
  return Uint8ClampedArray.from(atob(letters), letter => letter.charCodeAt(0))
}

function isSigned(kind) {
  return LAYOUT.signed.includes(kind)
}

// Images, each opened once; those of single strips are forgotten after some hundreds

const opened = new Map()
const MOST_OPENED = 600

function open(address) {
  if (opened.has(address)) return opened.get(address)
  const image = new Image()
  const it = {image, isReady: false}
  image.src = address
  it.ready = image.decode().then(() => {
    it.isReady = true
    return it
  })
  it.ready.catch(() => {}) // who draws it says so
  opened.set(address, it)
  if (opened.size > MOST_OPENED) opened.delete(opened.keys().next().value)
  return it
}

// The numbers of an image, as an array with a width: of grey, red is as good as any colour
function numbersOf(it) {
  if (it.numbers) return it.numbers
  const {naturalWidth: width, naturalHeight: height} = it.image
  const canvas = new OffscreenCanvas(width, height)
  const context = canvas.getContext('2d', {willReadFrequently: true})
  context.drawImage(it.image, 0, 0)
  const all = context.getImageData(0, 0, width, height).data
  it.numbers = {width, values: Uint8Array.from({length: width * height}, (_, i) => all[4 * i])}
  return it.numbers
}

// Where the picture of a row is, and where its maps are: an address, and a place in the image
function partsOf(row) {
  const [pictureWidth, pictureHeight] = LAYOUT.picture
  const [mapsWidth, mapsHeight] = LAYOUT.maps
  if (DATA.strips) {
    const address = DATA.strips.replace('{set}', row.set).replace('{idx}', row.idx)
    return {picture: {address, x: 0, y: 0}, maps: {address, x: pictureWidth, y: 0}}
  }
  const {per, columns, pictures, maps} = DATA.sheets
  const sheet = Math.floor(row.place / per)
  const column = (row.place % per) % columns
  const line = Math.floor((row.place % per) / columns)
  return {
    picture: {address: pictures[sheet], x: column * pictureWidth, y: line * pictureHeight},
    maps: {address: maps[sheet], x: column * mapsWidth, y: line * mapsHeight},
  }
}

// Maps

// Of each place along a side, the two cells that it lies between, and the weight of the second, as OpenCV has it
function between(n, cells) {
  return Array.from({length: n}, (_, i) => {
    const at = Math.min(Math.max(((i + 0.5) * cells) / n - 0.5, 0), cells - 1)
    const first = Math.floor(at)
    return [first, Math.min(first + 1, cells - 1), at - first]
  })
}

// Cells at another size, smoothly
function enlarged(cells, [width, height], [toWidth, toHeight]) {
  const across = between(toWidth, width)
  const made = new Float32Array(toWidth * toHeight)
  between(toHeight, height).forEach(([above, below, weight], line) => {
    across.forEach(([left, right, part], column) => {
      const top = cells[above * width + left] * (1 - part) + cells[above * width + right] * part
      const bottom = cells[below * width + left] * (1 - part) + cells[below * width + right] * part
      made[line * toWidth + column] = top * (1 - weight) + bottom * weight
    })
  })
  return made
}

// Each map takes the full range of its scale, also after it was enlarged
function fullRange(values) {
  const least = values.reduce((a, b) => Math.min(a, b), 255)
  const most = values.reduce((a, b) => Math.max(a, b), 0)
  return values.map(v => ((v - least) * 255) / Math.max(most - least, 1e-6))
}

// A map in its own cells: numbers from 0 to 255
function cellsOf(numbers, {x, y}, [left, top, width, height]) {
  const cells = new Float32Array(width * height)
  for (const line of Array(height).keys()) {
    const start = (y + top + line) * numbers.width + x + left
    cells.set(numbers.values.subarray(start, start + width), line * width)
  }
  return cells
}

function coloured(values, colours, width, height) {
  const pixels = new ImageData(width, height)
  values.forEach((value, i) => {
    const at = 4 * Math.round(value)
    pixels.data.set(colours.subarray(at, at + 4), 4 * i)
  })
  return pixels
}

// The map of a row as pixels, smooth or in its own cells
function mapPixels(numbers, place, layer, kind, inCells) {
  const box = LAYOUT.places[kind][layer]
  const size = box.slice(2)
  const cells = cellsOf(numbers, place, box)
  const colours = COLOURS[isSigned(kind) ? 'signed' : 'plain']
  if (inCells) return coloured(cells, colours, ...size)
  const smooth = enlarged(cells, size, LAYOUT.picture)
  return coloured(isSigned(kind) ? smooth : fullRange(smooth), colours, ...LAYOUT.picture)
}

// Is there something to see in a map? Words say why not
function statusOf(row, layer, kind) {
  return row.status?.[kind]?.[layer] ?? 'ok'
}

function hasMap(row, layer, kind) {
  return Boolean(LAYOUT.places[kind]?.[layer]) && statusOf(row, layer, kind) === 'ok'
}

// Pictures on the page

function canvasOf(className, width, height) {
  const canvas = document.createElement('canvas')
  Object.assign(canvas, {className, width, height})
  return canvas
}

function pictureCanvas(it, {x, y}) {
  const canvas = canvasOf('picture', ...LAYOUT.picture)
  const size = LAYOUT.picture
  canvas.getContext('2d').drawImage(it.image, x, y, ...size, 0, 0, ...size)
  return canvas
}

function mapCanvas(it, place, {layer, kind, inCells}) {
  const pixels = mapPixels(numbersOf(it), place, layer, kind, inCells)
  const canvas = canvasOf(inCells ? 'map cells' : 'map', pixels.width, pixels.height)
  canvas.getContext('2d').putImageData(pixels, 0, 0)
  return canvas
}

// Draw a stack: the picture, and over it its map, if there is one: the browser blends them
function paint(stack) {
  const {row, layer, kind} = stack.shows
  const parts = partsOf(row)
  const picture = open(parts.picture.address)
  const maps = open(parts.maps.address)
  const wantsMap = layer && hasMap(row, layer, kind)
  if (!picture.isReady || (wantsMap && !maps.isReady)) {
    Promise.all([picture.ready, maps.ready]).then(() => paintIfSeen(stack), () => stack.classList.add('broken'))
    return
  }
  const map = wantsMap ? [mapCanvas(maps, parts.maps, stack.shows)] : []
  stack.replaceChildren(pictureCanvas(picture, parts.picture), ...map)
}

// Stacks are drawn when they come into sight, and emptied when they have left it

const seen = new Set()
const watcher = new IntersectionObserver(onSight, {rootMargin: '300px'})

function onSight(entries) {
  for (const {target, isIntersecting} of entries) {
    if (isIntersecting) seen.add(target)
    else seen.delete(target)
    if (isIntersecting) paint(target)
    else target.replaceChildren()
  }
}

function paintIfSeen(stack) {
  if (stack.isConnected && seen.has(stack)) paint(stack)
}

function forget(stacks) {
  for (const stack of stacks) {
    watcher.unobserve(stack)
    seen.delete(stack)
  }
}

// `shows` is {row, layer, kind, inCells}; without a layer it is the picture alone
function stackOf(shows, words) {
  const stack = document.createElement('span')
  stack.className = 'stack'
  stack.setAttribute('role', 'img')
  stack.setAttribute('aria-label', words)
  stack.shows = shows
  watcher.observe(stack)
  return stack
}

// The sheets of rows that soon may be looked at, or printed; strips of a page that is served are asked for when seen
function prepare(rows) {
  if (DATA.strips) return
  for (const row of rows) Object.values(partsOf(row)).forEach(part => open(part.address))
}

// Paper has no sight: all that was made is drawn
function paintAll() {
  document.querySelectorAll('.stack').forEach(paint)
}

// A legend: the colours of a scale, from one end to the other
function drawScale(canvas, name, from) {
  const pixels = new ImageData(256 - from, 1)
  pixels.data.set(COLOURS[name].subarray(4 * from))
  Object.assign(canvas, {width: pixels.width, height: 1})
  canvas.getContext('2d').putImageData(pixels, 0, 0)
}

// Does this browser let a page read what it has drawn? Some do not, or only with noise, so that nobody is known by it
function canRead() {
  const context = new OffscreenCanvas(16, 16).getContext('2d')
  const pixels = new ImageData(16, 16)
  pixels.data.forEach((_, i) => (pixels.data[i] = i % 4 === 3 ? 255 : (7 * i) % 256))
  context.putImageData(pixels, 0, 0)
  const back = context.getImageData(0, 0, 16, 16).data
  return back.every((v, i) => v === pixels.data[i])
}
