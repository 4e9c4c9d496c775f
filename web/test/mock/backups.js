// Backups of the mock: one takes two seconds, then it has passed its rehearsal. With backup.sftp it is then copied for two more; the
// server holds an older one besides, and refuses folders that are called full.
import { answer, Refusal } from './answer.js';

const BYTES = 48_300_000;
const STEP_MS = 2000;
const idOf = (time) => `songhua-${time.slice(0, 19).replace(/[-:]/g, '')}Z`;

function item(time, first) {
  return {
    id: idOf(time), time, version: '0.1.0', keys: false, bytes: BYTES, copied: first ? BYTES : 2_100_000, samples: 26_400_000,
    rehearsal: { good: true, time, compared: 32_768, text: '' },
  };
}

export class Backups {
  constructor() {
    this.items = [];
    this.work = null; // { step, by, since, id }
    this.url = '';
    this.there = [{ id: 'songhua-20260102T023000Z', time: '2026-01-02T02:31:40Z' }];
    this.looked = null;
    this.failure = null;
  }

  /** What ran is done after two seconds. */
  settle() {
    const w = this.work;
    if (!w || Date.now() - w.since < STEP_MS) return;
    const time = new Date(w.since).toISOString();
    this.work = null;
    if (w.step === 'backup') {
      this.items.unshift(item(time, this.items.length === 0));
      if (this.url) this.work = { step: 'copy', by: 'schedule', since: Date.now(), id: this.items[0].id };
    } else if (this.url.endsWith('/full')) {
      this.failure = {
        time, id: w.id, text: 'the SFTP server refused to write a file: it does not say why',
        remedy: "look whether its disk or the user's quota is full, and whether the user may write in the folder",
      };
    } else {
      this.failure = null;
      this.looked = time;
      if (w.step === 'copy') this.there.push({ id: w.id, time });
      if (w.step === 'fetch') this.items.push(item('2026-01-02T02:30:00.000Z', false));
    }
  }

  remoteOf(x) {
    if (!this.url) return null;
    const copy = this.there.find((c) => c.id === x.id);
    if (copy) return { state: 'copied', time: copy.time };
    return { state: this.failure?.id === x.id ? 'failed' : x === this.items[0] ? 'waiting' : 'none', time: null };
  }

  state() {
    const w = this.work;
    const ms = w ? Date.now() - w.since : 0;
    return {
      folder: '/backup/songhua',
      running: w ? { step: w.step, by: w.by, done_bytes: ms * 20_000, total_bytes: BYTES, files: 12 } : null,
      due: new Date(Date.now() + 3.6e6).toISOString(), keep: 7, last_failure: null,
      remote: this.url
        ? {
            url: this.url, keep: 30, retry: this.failure ? new Date(Date.now() + 9e5).toISOString() : null, last_failure: this.failure,
            looked: this.looked,
            items: this.looked ? [...this.there].reverse().map((c) => ({ ...c, here: this.items.some((x) => x.id === c.id) })) : [],
          }
        : null,
      items: this.items.map((x) => ({ ...x, remote: this.remoteOf(x) })), next: null,
    };
  }

  begin(step, id) {
    if (this.work && !(this.work.step === 'copy' && this.work.by === 'schedule')) {
      throw new Refusal(409, 'state', '备份或异地复制正在进行；请先取消或等待完成');
    }
    this.work = { step, by: 'person:admin', since: Date.now(), id };
  }

  answer({ req, res, rest }, url) {
    if (url !== this.url) Object.assign(this, { url, failure: null, looked: null });
    this.settle();
    if (req.method === 'DELETE') {
      if (rest[0] === 'running') this.work = null;
      else this.items = this.items.filter((x) => x.id !== rest[0]);
      return answer(res, 204);
    }
    if (req.method === 'POST') this.begin(rest[1] ?? (rest[0] === 'copies' ? 'look' : 'backup'), rest[0] ?? '');
    return answer(res, req.method === 'POST' ? 202 : 200, this.state());
  }
}
