// Tables from files, as rows of texts: CSV, and the sheets of an XLSX workbook (a zip of XML, read with what the
// browser has). Nothing is computed: a formula gives the value that was stored with it.
export interface Sheet {
  name: string;
  rows: () => Promise<string[][]>;
}

export class SheetFault extends Error {}

const MAX_INFLATED = 256 * 1024 * 1024;

// ---- CSV

/** Rows of a CSV text (RFC 4180); the delimiter is the commonest of , ; and tab in the first line. */
export function parseCsv(text: string): string[][] {
  const body = text.replace(/^\ufeff/, '');
  const first = body.slice(0, body.search(/[\r\n]|$/));
  const delimiter = [',', ';', '\t'].reduce((best, d) => (first.split(d).length > first.split(best).length ? d : best), ',');
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const endRow = () => {
    row.push(cell);
    rows.push(row);
    row = [];
    cell = '';
  };
  for (let i = 0; i < body.length; i += 1) {
    const c = body[i] as string;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (body[i + 1] === '"') {
        cell += '"';
        i += 1;
      } else quoted = false;
    } else if (c === '"' && cell === '') quoted = true;
    else if (c === delimiter) {
      row.push(cell);
      cell = '';
    } else if (c === '\n' || c === '\r') {
      if (c === '\r' && body[i + 1] === '\n') i += 1;
      endRow();
    } else cell += c;
  }
  if (cell !== '' || row.length > 0) endRow();
  return rows;
}

// ---- zip (APPNOTE 4.3): the central directory says where each file is

interface Entry {
  method: number;
  size: number;
  packed: number;
  at: number;
}

export function zipEntries(data: Uint8Array): Map<string, Entry> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let end = data.length - 22;
  const stop = Math.max(0, end - 65_536);
  while (end >= stop && view.getUint32(end, true) !== 0x06054b50) end -= 1;
  if (end < stop) throw new SheetFault('no zip');
  const entries = new Map<string, Entry>();
  let at = view.getUint32(end + 16, true);
  for (let n = view.getUint16(end + 10, true); n > 0; n -= 1) {
    if (at + 46 > data.length || view.getUint32(at, true) !== 0x02014b50) throw new SheetFault('bad zip');
    const nameLength = view.getUint16(at + 28, true);
    const name = new TextDecoder().decode(data.subarray(at + 46, at + 46 + nameLength));
    entries.set(name.replaceAll('\\', '/').replace(/^\//, ''), {
      method: view.getUint16(at + 10, true),
      packed: view.getUint32(at + 20, true),
      size: view.getUint32(at + 24, true),
      at: view.getUint32(at + 42, true),
    });
    at += 46 + nameLength + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return entries;
}

async function inflate(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let size = 0;
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > MAX_INFLATED) {
      await reader.cancel();
      throw new SheetFault('too large');
    }
    text += decoder.decode(value, { stream: true });
  }
}

async function readText(data: Uint8Array<ArrayBuffer>, entry: Entry): Promise<string> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (entry.at + 30 > data.length || view.getUint32(entry.at, true) !== 0x04034b50) throw new SheetFault('bad zip');
  const start = entry.at + 30 + view.getUint16(entry.at + 26, true) + view.getUint16(entry.at + 28, true);
  const bytes = data.subarray(start, start + entry.packed);
  if (entry.method === 0) return new TextDecoder().decode(bytes);
  if (entry.method !== 8 || entry.size > MAX_INFLATED) throw new SheetFault('too large');
  try {
    return await inflate(bytes);
  } catch (error) {
    throw error instanceof SheetFault ? error : new SheetFault('bad zip');
  }
}

// ---- XLSX (ECMA-376 part 1, 18.3 and 18.4)

const NAMED: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function plain(xml: string): string {
  return xml.replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (all, name: string) => {
    if (!name.startsWith('#')) return NAMED[name] ?? all;
    const code = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : '';
  });
}

/** All texts of a rich string, without its reading aids. */
function richText(xml: string): string {
  const parts = xml.replace(/<(\w+:)?rPh\b[\s\S]*?<\/(\w+:)?rPh>/g, '').matchAll(/<(?:\w+:)?t(?:\s[^>]*)?>([\s\S]*?)<\/(?:\w+:)?t>/g);
  return [...parts].map((m) => plain(m[1] as string)).join('');
}

function columnOf(reference: string): number {
  let n = 0;
  for (const c of reference.replace(/\d/g, '')) n = n * 26 + c.charCodeAt(0) - 64;
  return n - 1;
}

const attribute = (tag: string, name: string) => new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];

export function sheetRows(xml: string, shared: string[]): string[][] {
  const rows: string[][] = [];
  const parts = /<(?:\w+:)?(row|c)\b([^>]*?)(\/?)>/g;
  let row: string[] = [];
  let next = 0;
  for (let m = parts.exec(xml); m; m = parts.exec(xml)) {
    const [, tag, attributes = '', closed] = m;
    if (tag === 'row') {
      const number = Number(attribute(attributes, 'r') ?? rows.length + 1);
      if (number > 2_000_000) throw new SheetFault('too large');
      while (rows.length < number - 1) rows.push([]);
      row = [];
      rows.push(row);
      next = 0;
      continue;
    }
    const reference = attribute(attributes, 'r');
    const column = reference ? columnOf(reference) : next;
    next = column + 1;
    if (closed || column > 16_384) continue;
    const end = xml.slice(parts.lastIndex).search(/<\/(\w+:)?c>/);
    const inner = xml.slice(parts.lastIndex, parts.lastIndex + Math.max(0, end));
    parts.lastIndex += Math.max(0, end);
    const type = attribute(attributes, 't');
    const value = plain(/<(?:\w+:)?v(?:\s[^>]*)?>([\s\S]*?)<\/(?:\w+:)?v>/.exec(inner)?.[1] ?? '');
    while (row.length < column) row.push('');
    if (type === 's') row[column] = shared[Number(value)] ?? '';
    else if (type === 'inlineStr') row[column] = richText(inner);
    else if (type === 'b') row[column] = value === '1' ? 'true' : 'false';
    else row[column] = type === 'e' ? '' : value;
  }
  return rows;
}

/** The sheets of a workbook, in its order; rows are read when they are asked for. */
export async function readXlsx(file: ArrayBuffer): Promise<Sheet[]> {
  const data = new Uint8Array(file);
  const entries = zipEntries(data);
  const text = (name: string) => {
    const entry = entries.get(name);
    return entry ? readText(data, entry) : Promise.resolve('');
  };
  const book = await text('xl/workbook.xml');
  const relations = await text('xl/_rels/workbook.xml.rels');
  if (!book || !relations) throw new SheetFault('no workbook');
  const targets = new Map(
    [...relations.matchAll(/<(?:\w+:)?Relationship\b([^>]*)>/g)].map((m) => [
      attribute(m[1] as string, 'Id'),
      (attribute(m[1] as string, 'Target') ?? '').replace(/^\/(xl\/)?|^/, 'xl/'),
    ]),
  );
  let shared: Promise<string[]> | null = null;
  const sharedTexts = () => {
    shared ??= text('xl/sharedStrings.xml').then((xml) =>
      [...xml.matchAll(/<(?:\w+:)?si(?:\s[^>]*)?(?:\/>|>([\s\S]*?)<\/(?:\w+:)?si>)/g)].map((m) => richText(m[1] ?? '')),
    );
    return shared;
  };
  return [...book.matchAll(/<(?:\w+:)?sheet\b([^>]*)>/g)].map((m) => ({
    name: plain(attribute(m[1] as string, 'name') ?? ''),
    rows: async () => sheetRows(await text(targets.get(/\b\w+:id="([^"]*)"/.exec(m[1] as string)?.[1]) ?? ''), await sharedTexts()),
  }));
}

// ---- a workbook of one sheet, to fill in

const CRC = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});
function crc32(bytes: Uint8Array): number {
  let c = 0xffffffff;
  for (const b of bytes) c = (CRC[(c ^ b) & 255] as number) ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] as string);

function storeZip(files: [string, string][]): Blob {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const central: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  const size = (list: Uint8Array[]) => list.reduce((sum, part) => sum + part.length, 0);
  for (const [name, text] of files) {
    const bytes = new TextEncoder().encode(text);
    const label = new TextEncoder().encode(name);
    const head = (signature: number, extra: number) => {
      const view = new DataView(new ArrayBuffer(30 + extra));
      const from = extra === 0 ? 4 : 6;
      view.setUint32(0, signature, true);
      if (extra) view.setUint16(4, 20, true);
      view.setUint16(from, 20, true);
      view.setUint16(from + 8, 0x21, true); // 1980-01-01
      view.setUint32(from + 10, crc32(bytes), true);
      view.setUint32(from + 14, bytes.length, true);
      view.setUint32(from + 18, bytes.length, true);
      view.setUint16(from + 22, label.length, true);
      if (extra) view.setUint32(42, at, true);
      return new Uint8Array(view.buffer);
    };
    central.push(head(0x02014b50, 16), label);
    const local = [head(0x04034b50, 0), label, bytes];
    parts.push(...local);
    at += size(local);
  }
  const end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true);
  end.setUint16(8, files.length, true);
  end.setUint16(10, files.length, true);
  end.setUint32(12, size(central), true);
  end.setUint32(16, at, true);
  return new Blob([...parts, ...central, new Uint8Array(end.buffer)], {
    type: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  });
}

/** An XLSX file with one sheet of texts. */
export function writeXlsx(name: string, rows: string[][]): Blob {
  const head = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n';
  const main = 'http://schemas.openxmlformats.org/spreadsheetml/2006/main';
  const office = 'http://schemas.openxmlformats.org/officeDocument/2006/relationships';
  const pack = 'http://schemas.openxmlformats.org/package/2006';
  const kind = 'application/vnd.openxmlformats-officedocument.spreadsheetml';
  const cells = rows
    .map((row) => `<row>${row.map((cell) => `<c t="inlineStr"><is><t xml:space="preserve">${escaped(cell)}</t></is></c>`).join('')}</row>`)
    .join('');
  return storeZip([
    [
      '[Content_Types].xml',
      `${head}<Types xmlns="${pack}/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
        `<Override PartName="/xl/workbook.xml" ContentType="${kind}.sheet.main+xml"/>` +
        `<Override PartName="/xl/worksheets/sheet1.xml" ContentType="${kind}.worksheet+xml"/></Types>`,
    ],
    ['_rels/.rels', `${head}<Relationships xmlns="${pack}/relationships"><Relationship Id="rId1" Type="${office}/officeDocument" Target="xl/workbook.xml"/></Relationships>`],
    ['xl/workbook.xml', `${head}<workbook xmlns="${main}" xmlns:r="${office}"><sheets><sheet name="${escaped(name)}" sheetId="1" r:id="rId1"/></sheets></workbook>`],
    [
      'xl/_rels/workbook.xml.rels',
      `${head}<Relationships xmlns="${pack}/relationships"><Relationship Id="rId1" Type="${office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
    ],
    ['xl/worksheets/sheet1.xml', `${head}<worksheet xmlns="${main}"><sheetData>${cells}</sheetData></worksheet>`],
  ]);
}
