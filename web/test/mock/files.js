// Files of devices, assets and thing models, as docs/api.md says; kept in memory.
import { createHash } from 'node:crypto';
import { answer, id8, notFound, Refusal } from './answer.js';

const FILE_BYTES = 8 << 20;
const QUOTA = 64 << 20;
const KINDS = ['manual', 'drawing', 'certificate', 'photo', 'report', 'other'];
const INLINE = /^image\/(png|jpeg|gif|webp|bmp)$|^application\/pdf$|^text\/plain$/;

function mediaOf(data) {
  const head = data.subarray(0, 4096).toString('latin1');
  if (head.startsWith('\x89PNG')) return 'image/png';
  if (head.startsWith('\xff\xd8\xff')) return 'image/jpeg';
  if (head.startsWith('%PDF-')) return 'application/pdf';
  if (/<svg/i.test(head)) return 'image/svg+xml';
  if (/<(html|script|!doctype html)/i.test(head)) return 'text/html';
  return data.length > 0 && !/[\x00-\x08\x0e-\x1f]/.test(head) ? 'text/plain' : 'application/octet-stream'; // eslint-disable-line no-control-regex
}

function words({ name, kind, note }) {
  if (name !== undefined && (!name.trim() || Buffer.byteLength(name) > 200 || /[/\\]/.test(name))) throw new Refusal(400, 'bad_request', '文件名为 1 至 200 字节且不含 / 和 \\');
  if (kind !== undefined && !KINDS.includes(kind)) throw new Refusal(400, 'bad_request', 'kind 须为 manual、drawing、certificate、photo、report 或 other');
  if ((note?.length ?? 0) > 2000) throw new Refusal(400, 'bad_request', '备注不超过 2000 字节');
}

const shown = (file) => {
  const { data, ...rest } = file;
  return { ...rest, size: data.length, inline: INLINE.test(rest.media) };
};

export const fileRoutes = {
  /** owner: 'devices/pump-1'; rest: behind "files". */
  filesOf({ req, res, q, raw, json }, owner, rest) {
    this.files ??= new Map();
    const all = this.files.get(owner) ?? [];
    const bin = q.get('deleted') === '1';
    const list = all.filter((f) => Boolean(f.deleted) === (bin || rest[1] === 'restore'));
    const [id, what] = rest;
    const use = [...this.files.values()].flat().reduce((sum, f) => sum + f.data.length, 0);
    if (!id && req.method === 'GET') {
      return answer(res, 200, { items: list.map(shown), next: null, storage: { limit: QUOTA, use }, file_bytes: FILE_BYTES });
    }
    if (!id) {
      const [name, kind, note] = [q.get('name') ?? '', q.get('kind') ?? 'other', q.get('note') ?? ''];
      words({ name, kind, note });
      if (raw.length > FILE_BYTES) throw new Refusal(413, 'limit', '单个文件不得超过 8 MiB（api.file_bytes）');
      if (use + raw.length > QUOTA) throw new Refusal(422, 'limit', '租户的存储配额容不下此文件：请删除不需要的文件，或申请更大的配额');
      const sha256 = createHash('sha256').update(raw).digest('hex');
      const same = list.find((f) => f.sha256 === sha256 && f.name === name);
      if (same) return answer(res, 200, shown(same));
      const file = { id: id8(), name, kind, note, media: mediaOf(raw), sha256, by: 'person:admin', time: new Date().toISOString(), revision: 1, data: raw };
      this.files.set(owner, [file, ...all]);
      this.log('admin', 'file.added', owner.replace('devices/', 'device:'), name);
      return answer(res, 201, shown(file));
    }
    const file = list.find((f) => f.id === id);
    if (!file) throw notFound('文件');
    if (what === 'content') {
      const inline = q.get('inline') === 'true' && INLINE.test(file.media);
      const headers = {
        'Content-Type': INLINE.test(file.media) ? file.media.replace('text/plain', 'text/plain; charset=utf-8') : 'application/octet-stream',
        'Content-Disposition': `${inline ? 'inline' : 'attachment'}; filename*=UTF-8''${encodeURIComponent(file.name)}`,
        'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'",
        'X-Content-Type-Options': 'nosniff',
        'Content-Length': file.data.length,
      };
      return res.writeHead(200, headers).end(file.data);
    }
    if (what === 'restore') {
      if (all.some((f) => !f.deleted && f.sha256 === file.sha256 && f.name === file.name)) throw new Refusal(409, 'exists', '相同的文件已重新上传');
      delete file.deleted;
      this.log('admin', 'file.restored', owner, file.name);
      return answer(res, 200, shown(file));
    }
    if (req.method === 'DELETE' && bin) {
      this.files.set(owner, all.filter((f) => f !== file));
      this.log('admin', 'file.purged', owner, file.name);
      return answer(res, 204);
    }
    if (req.method === 'DELETE') {
      file.deleted = { by: 'person:admin', time: new Date().toISOString(), until: new Date(Date.now() + 7 * 86_400_000).toISOString() };
      this.log('admin', 'file.deleted', owner, file.name);
      return answer(res, 204);
    }
    const change = json();
    words(change);
    if (req.headers['if-match'] && req.headers['if-match'] !== `"${file.revision}"`) throw new Refusal(412, 'conflict', '内容已被他人修改');
    Object.assign(file, change, { revision: file.revision + 1, edited: { by: 'person:admin', time: new Date().toISOString() } });
    return answer(res, 200, shown(file), { ETag: `"${file.revision}"` });
  },
};
