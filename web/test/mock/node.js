// The node itself, as the real server answers: configuration as a transaction, log lines, how it fares.
import { answer, Refusal } from './answer.js';

const KEYS = [
  ['data', 'text', '', { file_only: true, help: ['全部数据所在的文件夹。', 'Folder of all data.'] }],
  ['log.level', 'choice', 'info', { live: true, choices: ['error', 'warn', 'info', 'debug'], help: ['日志级别。', 'error, warn, info or debug.'] }],
  ['http.listen', 'listen', '127.0.0.1:8080', { source: 'set', help: ['控制台、API 的监听地址；留空则关闭。', 'Console and API; empty = off.'] }],
  ['mqtt.max_packet', 'size', '1MiB', { min: 1024, max: 268435456, help: ['可接收的最大 MQTT 报文。', 'Largest MQTT packet taken.'] }],
  ['guard.password_min', 'int', '10', { live: true, security: true, min: 8, max: 128, help: ['密码至少包含的字符数。', 'Characters that a password must have.'] }],
  ['history.retention', 'duration', '0s', { live: true, help: ['早于此期限的样本拒收并清除；0s 表示全部保留。', 'Samples older than this are refused and removed; 0s = keep all.'] }],
  ['backup.rehearse', 'bool', 'true', { live: true, help: ['每次备份后试恢复并比对。', 'Restores each backup on trial.'] }],
  ['backup.sftp', 'text', '', { live: true, security: true, help: ['每次备份后复制到 SFTP 服务器上的此目录。', 'Each backup is copied to this folder of an SFTP server.'] }],
  ['workers', 'int', '4', { min: 1, max: 256, help: ['处理请求和查询的线程数。', 'Threads for requests and queries.'] }],
];

const valid = {
  text: () => true,
  bool: (v) => v === 'true' || v === 'false',
  int: (v) => /^\d+$/.test(v),
  size: (v) => /^\d+([KMGT]iB)?$/.test(v),
  duration: (v) => /^\d+(us|ms|s|m|h|d)$/.test(v),
  listen: (v) => v === '' || /:\d+$/.test(v),
};

export class NodeState {
  constructor() {
    this.set = {};
    this.running = {};
    this.revisions = [];
    this.lines = [];
    const at = (s) => new Date(Date.now() - s * 1000).toISOString();
    const one = (id, more) => ({
      id, time: at(600 / id), waited_ms: 2.5, status: 200, tenant: '', who: 'person:admin', rows: null, bytes: 4096, streamed: false, cut: false, ...more,
    });
    this.slow = [
      one(3, { ms: 4200, waited_ms: null, status: null, method: 'SQL', route: 'postgresql', rows: 96_000, bytes: null, form: 'sql', text: 'SELECT avg(value) FROM history' }),
      one(2, {
        ms: 2800, method: 'POST', route: '/api/v1/history/query', rows: 12_000, bytes: 210_000, form: 'json',
        text: JSON.stringify({ points: ['pump-1/flow'], from: Date.now() - 86_400_000, to: Date.now(), step: '1m', aggregate: ['mean'] }),
      }),
      one(1, { ms: 1310, method: 'GET', route: '/api/v1/devices', form: 'query', text: 'q=pump&limit=100' }),
    ];
    this.line('info', 'main', 'songhua 0.1.0 is ready');
    this.line('warn', 'record', 'a slow commit: 412 ms');
  }

  line(level, module, text) {
    this.lines.unshift({ seq: this.lines.length + 1, time: new Date().toISOString(), level, module, text, cut: false });
  }

  config(zh) {
    const items = KEYS.map(([key, type, dflt, more]) => {
      const here = this.set[key] ?? null;
      const want = here ?? dflt;
      const value = more.live ? want : (this.running[key] ?? dflt);
      const source = more.source ?? (here === null ? 'default' : 'console');
      return {
        key, type, default: dflt, value, source, console: here, next: value === want ? null : want, live: false, security: false,
        file_only: false, may: !more.file_only, ...more, help: more.help[zh ? 0 : 1],
      };
    });
    return { revision: this.revisions.length, console: true, items, next: null };
  }

  check(patch, zh) {
    const errors = [];
    const changes = [];
    for (const [key, v] of Object.entries(patch)) {
      const found = KEYS.find(([k]) => k === key);
      const fault = (code, detail, remedy) => errors.push({ key, code, detail: zh ? detail[0] : detail[1], remedy: zh ? remedy[0] : remedy[1] });
      if (!found) {
        fault('unknown', ['没有此配置项', 'there is no such key'], ['检查拼写', 'look at the spelling']);
        continue;
      }
      const [, type, dflt, more] = found;
      if (v !== null && !(valid[type] ?? ((x) => more.choices.includes(x)))(v)) {
        fault('value', ['取值无效', 'not a valid value'], ['请按说明填写', 'write what fits']);
      } else if (v !== null && more.max && type === 'int' && (Number(v) < more.min || Number(v) > more.max)) {
        fault('range', ['超出允许范围', 'out of range'], [`允许范围：${more.min} 至 ${more.max}`, `from ${more.min} to ${more.max}`]);
      } else {
        const from = this.set[key] ?? dflt;
        const to = v ?? dflt;
        const warning = key === 'history.retention' && to !== '0s' ? 'removes_samples' : null;
        if (from !== to) changes.push({ key, from, to, live: more.live ?? false, warning });
      }
    }
    return { revision: this.revisions.length, errors, changes, outranked: [] };
  }

  apply(set, note) {
    const keys = new Set([...Object.keys(set), ...Object.keys(this.set)]);
    const changes = [...keys].filter((k) => set[k] !== this.set[k]).map((key) => ({ key, from: this.set[key] ?? null, to: set[key] ?? null }));
    this.set = set;
    this.revisions.unshift({ revision: this.revisions.length + 1, time: new Date().toISOString(), who: 'person:admin', note, changes, set });
  }
}

const merged = (set, patch) => Object.fromEntries(Object.entries({ ...set, ...patch }).filter(([, v]) => v !== null));

export const nodeRoutes = {
  on_config({ req, res, rest, json, q }) {
    const zh = (req.headers['accept-language'] ?? '').startsWith('zh');
    const node = this.node;
    if (rest[0] === 'check') return answer(res, 200, node.check(json().set, zh));
    if (rest[0] === 'changes') return answer(res, 200, { items: node.revisions.slice(0, Number(q.get('limit') ?? 50)), next: null });
    if (rest[0] === 'rollback') {
      const { revision, note = '', check } = json();
      const target = revision === 0 ? {} : node.revisions.find((r) => r.revision === revision)?.set;
      if (!target) throw new Refusal(404, 'not_found', 'no such revision');
      const patch = Object.fromEntries([...new Set([...Object.keys(node.set), ...Object.keys(target)])].map((k) => [k, target[k] ?? null]));
      if (check) return answer(res, 200, node.check(patch, zh));
      node.apply(target, note);
      return answer(res, 200, node.config(zh));
    }
    if (req.method === 'PATCH') {
      const { set, note = '', revision } = json();
      if (revision !== undefined && revision !== node.revisions.length) throw new Refusal(412, 'conflict', 'another revision');
      if (node.check(set, zh).errors.length > 0) throw new Refusal(422, 'config_invalid', 'not valid');
      node.apply(merged(node.set, set), note);
    }
    return answer(res, 200, node.config(zh));
  },

  on_logs({ res, q }) {
    const levels = ['error', 'warn', 'info', 'debug'];
    const most = q.get('level') ? levels.indexOf(q.get('level')) : 3;
    const items = this.node.lines.filter(
      (l) =>
        levels.indexOf(l.level) <= most && (!q.get('module') || l.module === q.get('module')) &&
        l.text.toLowerCase().includes((q.get('q') ?? '').toLowerCase()) && l.seq > Number(q.get('after') ?? 0),
    );
    return answer(res, 200, { items, last: this.node.lines.length, level: 'info', next: null });
  },

  on_slow({ res }) {
    const routes = this.node.slow.map((s) => ({
      method: s.method, route: s.route, tenant: '', count: 1, worst_ms: s.ms, lately: 1, lately_worst_ms: s.ms, last: s.time,
    }));
    return answer(res, 200, { items: this.node.slow, next: null, routes, over_ms: 1000, since: new Date(Date.now() - 93e6).toISOString() });
  },

  on_health({ res }) {
    const time = Array.from({ length: 120 }, (_, i) => Date.now() - (120 - i) * 5000);
    const wave = (mean, part) => time.map((at, i) => mean * (1 + part * Math.sin(i / 9 + mean)));
    const series = {
      time, cpu: wave(0.3, 0.3), memory_bytes: wave(6.1e7, 0.02), samples: wave(40, 0.1), commits: wave(9, 0.2), commit_ms: wave(2, 0.4),
      queue_bytes: wave(4000, 0.9), turn_ms: wave(1.5, 0.6), waiting: wave(0, 0), connections: wave(12, 0),
      requests: wave(3, 0.5), messages: wave(20, 0.1),
    };
    const zeros = (...names) => Object.fromEntries(names.map((n) => [n, 0]));
    return answer(res, 200, {
      process: { pid: 4711, processors: 2, cpu_seconds: 321, memory_bytes: 61_000_000, memory_most_bytes: 64_000_000, threads: 18, files: 61, files_max: 20_000 },
      loops: [{
        connections: 12, accepted: 340, bytes_in: 9_400_000, bytes_out: 81_000_000, tls_handshakes: 3, ...zeros('refused', 'failed', 'queued_bytes', 'posts_queued', 'tls_failed'),
      }],
      workers: { threads: 4, ...zeros('waiting', 'sql_open', 'sql_limited', 'sql_timeouts') },
      log: { errors: 0, warnings: 1 },
      journal: {
        commits: 88_412, commit_ms: 1.2, commit_p99_ms: 4.9, queue_bytes: 4000, queue_max_bytes: 67_108_864, log_bytes: 31_000_000, files: 2,
        ...zeros('refused', 'refused_full', 'retries', 'sealed_files', 'made_inline'),
      },
      records: { commits: 912, commit_mean_ms: 2.31, ...zeros('queued', 'refused', 'queue_full', 'blob_bytes') },
      history: {
        samples: 48_211_930, points: 132, segments: 14, segment_bytes: 57_000_000, cold_segments: 6, head_samples: 91_000,
        head_bytes: 2_400_000, head_max_bytes: 67_108_864, flushes: 40, compactions: 12, damaged: 0,
      },
      settings_waiting: this.node.config(true).items.filter((i) => i.next !== null).length,
      series, version: '0.1.0', uptime_s: 93_000,
    });
  },
};
