// A file on its way to the server: progress, a stop, the file as it was stored. By XMLHttpRequest: fetch does not tell how much has gone out.
import { apiUrl, asProblem, csrfHeader, Problem } from '../../api/client';
import type { FileKind, StoredFile } from '../../api/fileTypes';
import { language } from '../../i18n';

export const KINDS: readonly FileKind[] = ['manual', 'drawing', 'certificate', 'photo', 'report', 'other'];

/** The message that offers to undo a deletion: it goes when that is not possible any more. */
export const undoKey = (file: StoredFile) => `file-${file.id}`;

/** What a file most likely is, by its name. */
export function kindOf(name: string): FileKind {
  const ext = /\.([^.]+)$/.exec(name)?.[1]?.toLowerCase() ?? '';
  if (/^(jpe?g|png|gif|webp|bmp|heic|mp4|mov)$/.test(ext)) return 'photo';
  if (/^(dwg|dxf|step|stp|igs|iges|svg|vsdx?)$/.test(ext)) return 'drawing';
  if (/^(pem|cer|crt|p7b)$/.test(ext) || /\u8bc1\u4e66|\u5408\u683c\u8bc1|certificate/i.test(name)) return 'certificate';
  if (/\u62a5\u544a|report/i.test(name)) return 'report';
  return /^(pdf|docx?|txt|md)$/.test(ext) ? 'manual' : 'other';
}

function problemOf(request: XMLHttpRequest): Problem {
  try {
    return new Problem(request.status, JSON.parse(request.responseText));
  } catch {
    return request.status === 0 ? asProblem(new Error('network')) : new Problem(request.status, { title: request.statusText });
  }
}

export function sendFile(path: string, file: File, kind: FileKind, tell: (sent: number, total: number) => void, signal: AbortSignal): Promise<StoredFile> {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open('POST', apiUrl(`${path}/files`, { name: file.name, kind }));
    for (const [name, value] of Object.entries({ ...csrfHeader(), Accept: 'application/json', 'Accept-Language': language() })) {
      request.setRequestHeader(name, value);
    }
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    request.upload.onprogress = (event) => tell(event.loaded, event.total || file.size);
    request.onload = () => (request.status >= 200 && request.status < 300 ? done(JSON.parse(request.responseText) as StoredFile) : fail(problemOf(request)));
    request.onerror = () => fail(problemOf(request));
    request.onabort = () => fail(new DOMException('stopped', 'AbortError'));
    signal.addEventListener('abort', () => request.abort());
    request.send(file);
  });
}
