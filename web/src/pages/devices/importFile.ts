// Pure parts of the device import: which encoding a file has, the template, the report as a file.
export type Encoding = 'utf-8' | 'gbk';

/** UTF-8 when the bytes are valid UTF-8, else GBK: what Excel and WPS save in China. */
export function guessEncoding(bytes: Uint8Array): Encoding {
  try {
    // A cut in the middle of a character at the end is no fault: stream mode forgives it.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return 'utf-8';
  } catch {
    return 'gbk';
  }
}

const BOM = '\ufeff';

export const TEMPLATE = [
  ['id', 'name', 'thing', 'asset', 'labels', 'location', 'lat', 'lon', 'description', 'period_ms'],
  ['pump-1', '1号循环泵', '', '', 'line:2;shift:a', '', '', '', '', '1000'], // templateCsv
];

export function templateCsv(): string {
  return `${BOM}${TEMPLATE.map((row) => row.join(',')).join('\r\n')}\r\n`;
}

function field(value: unknown): string {
  const said = String(value ?? '');
  const text = /^[=+\-@\t\r]/.test(said) ? `'${said}` : said; // no formula for a spreadsheet
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Refused rows with their own cells, so that they can be mended and imported again. */
export function rejectedCsv(faults: { row: number; column?: string; detail?: string }[], table: string[][] | null): string {
  const line = (cells: unknown[]) => `${cells.map(field).join(',')}\r\n`;
  const head = table?.[0] ?? [];
  const rows = faults.map((f) => line([...head.map((_, k) => table?.[f.row - 1]?.[k] ?? ''), f.row, f.column, f.detail]));
  return `${BOM}${line([...head, 'row', 'column', 'detail'])}${rows.join('')}`;
}

export function refusedCsv(refused: { id: string; code: string; detail?: string }[]): string {
  const rows = refused.map((r) => [r.id, r.code, r.detail].map(field).join(','));
  return `${BOM}id,code,detail\r\n${rows.join('\r\n')}\r\n`;
}

export function saveBlob(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function saveFile(name: string, text: string, type = 'text/csv;charset=utf-8'): void {
  saveBlob(name, new Blob([text], { type }));
}
