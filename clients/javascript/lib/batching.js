'use strict';

// How lines become requests: how many fit, how a request is halved, how a piece of a spill file is split.
//
// A file may end in half a line, because its process died while writing, and a disk may hold rubbish. Both are set aside,
// so that a bad line never holds up the others.

const FRAME = '{"events":[]}'.length;

/** How many of the first `lines` go into one request of at most `maxBytes`; one always does. */
function fitting(lines, { maxEvents, maxBytes }) {
  let count = 0;
  let size = FRAME;
  for (const line of lines) {
    size += line.length + 1;
    if (count && (count >= maxEvents || size > maxBytes)) break;
    count += 1;
  }
  return count;
}

/** The body of `POST /api/usage/record/batch` for `lines`. */
function requestBody(lines) {
  const parts = [Buffer.from('{"events":[')];
  lines.forEach((line, index) => parts.push(Buffer.from(index ? ',' : ''), line));
  return Buffer.concat([...parts, Buffer.from(']}')]);
}

/** The two halves of at least two lines, in order. */
function halves(lines) {
  const middle = Math.ceil(lines.length / 2);
  return [lines.slice(0, middle), lines.slice(middle)];
}

/**
 * The recordings that `data`, the head of a file, begins with, as many as go into one request: `{lines, broken, length}`.
 * `length` is how many bytes they and the broken lines take. When it has no end of a line, all is one broken line.
 */
function splitChunk(data, limits) {
  const end = data.lastIndexOf(0x0a);
  if (end < 0) return { lines: [], broken: [data], length: data.length };
  const all = [];
  for (let start = 0; start <= end; ) {
    const stop = data.indexOf(0x0a, start);
    all.push(data.subarray(start, stop));
    start = stop + 1;
  }
  const taken = all.slice(0, fitting(all, limits));
  const lines = taken.filter(isObject);
  const broken = lines.length < taken.length ? taken.filter((line) => line.length && !isObject(line)) : [];
  return { lines, broken, length: taken.reduce((sum, line) => sum + line.length + 1, 0) };
}

function isObject(line) {
  try {
    const found = JSON.parse(line);
    return typeof found === 'object' && found !== null && !Array.isArray(found);
  } catch {
    return false;
  }
}

module.exports = { fitting, halves, requestBody, splitChunk };
