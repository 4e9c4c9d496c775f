// Backups of the mock: one takes two seconds, then it has passed its rehearsal. With backup.sftp it is then copied for two more; the
// server holds an older one besides, and refuses folders that are called full. A restore is ready after two seconds, and in place at
// once, when everybody is signed out; with the reason "damaged" it goes back by itself.
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
    this.restore = { prepared: null, origin: null, kept: [], last_failure: null, brought_back: null };
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
    } else if (w.step === 'restore') {
      const made = this.items.find((x) => x.id === w.id);
      this.restore.prepared = {
        backup: w.id, backup_time: made.time, time, by: w.by, reason: w.reason, keys: 'own', bytes: BYTES, files: 37, samples: made.samples,
        points: 1280, devices: 64,
      };
    } else if (w.step === 'remove') {
      if (w.id === 'prepared') this.restore.prepared = null;
      else this.restore.kept = this.restore.kept.map((k) => (k.name === w.id ? { ...k, bytes: 9_100_000, records_only: true } : k));
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
      restore: this.restore,
      items: this.items.map((x) => ({ ...x, remote: this.remoteOf(x) })), next: null,
    };
  }

  /** True: another life begins, nobody is signed in. */
  apply(id, reason) {
    const r = this.restore;
    const at = new Date();
    const known = id === 'prepared' ? r.prepared : r.kept.find((k) => k.name === id && !k.records_only);
    if (!known) throw new Refusal(404, 'not_found', '没有准备好的数据');
    if (reason === 'damaged') {
      r.brought_back = { time: at.toISOString(), by: 'person:admin', text: 'guard: corrupt: keys/ring is damaged.' };
      return false;
    }
    const replaced = {
      name: `replaced-${at.toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`, time: at.toISOString(), bytes: BYTES, records_only: false,
      records_until: new Date(at.getTime() + 180 * 864e5).toISOString(),
    };
    this.restore = {
      prepared: null, origin: id === 'prepared' ? r.prepared : null, kept: [replaced, ...r.kept.filter((k) => k.name !== id)],
      last_failure: null, brought_back: null,
    };
    return true;
  }

  begin(step, id, reason) {
    if (this.work && !(this.work.step === 'copy' && this.work.by === 'schedule')) {
      throw new Refusal(409, 'state', '备份或异地复制正在进行；请先取消或等待完成');
    }
    this.work = { step, by: 'person:admin', since: Date.now(), id, reason };
  }

  answer({ req, res, rest, json }, url, signOut) {
    if (url !== this.url) Object.assign(this, { url, failure: null, looked: null });
    this.settle();
    const [id, act] = rest;
    if (req.method === 'DELETE') {
      if (id === 'prepared' || id.startsWith('replaced-')) {
        this.begin('remove', id);
        return answer(res, 202, this.state());
      }
      if (id === 'running') this.work = null;
      else this.items = this.items.filter((x) => x.id !== id);
      return answer(res, 204);
    }
    if (act === 'restore' && !this.items.some((x) => x.id === id)) throw new Refusal(404, 'not_found', '没有这份备份');
    if (act === 'restore' || act === 'apply') {
      const reason = json().reason?.trim();
      if (!reason) throw new Refusal(400, 'bad_request', '需要填写原因（会记入审计）');
      if (act === 'restore') this.begin('restore', id, reason);
      else if (this.apply(id, reason)) signOut();
    } else if (req.method === 'POST') this.begin(act ?? (id === 'copies' ? 'look' : 'backup'), id ?? '');
    return answer(res, req.method === 'POST' ? 202 : 200, this.state());
  }
}
