// Plans of assets and the map of devices, as docs/api.md says.
import { answer, notFound, Refusal } from './answer.js';

export const plantRoutes = {
  on_plans({ res }) {
    answer(res, 200, { items: [...(this.plans ?? new Map())].map(([asset, p]) => ({ asset, markers: p.markers.length })), next: null });
  },

  planOf({ req, res, json }, asset) {
    this.plans ??= new Map();
    const files = this.files?.get(`assets/${asset}`) ?? [];
    const show = (status = 200) => {
      const plan = this.plans.get(asset) ?? { file: '', markers: [], revision: 0 };
      const file = files.find((f) => f.id === plan.file);
      const markers = plan.markers.flatMap((m) => {
        if (!m.device) return this.assets.some((a) => a.id === m.asset) ? [m] : [];
        const d = this.devices.get(m.device);
        return d ? [{ device: d.id, name: d.name ?? '', state: d.state, x: m.x, y: m.y, ...(m.point ? { point: m.point } : {}) }] : [];
      });
      const shown = file ? { ...file, data: undefined, size: file.data.length, inline: true } : null;
      answer(res, status, { asset, file: shown, markers, revision: plan.revision }, plan.revision ? { ETag: `"${plan.revision}"` } : {});
    };
    if (req.method === 'GET') return show();
    if (req.method === 'DELETE') {
      if (!this.plans.delete(asset)) throw notFound('平面图');
      return answer(res, 204);
    }
    const body = json();
    const before = this.plans.get(asset);
    if (!files.some((f) => f.id === body.file && f.media.startsWith('image/'))) throw new Refusal(400, 'bad_request', 'file 须为该资产文件中的图片');
    if (req.headers['if-match'] && req.headers['if-match'] !== `"${before?.revision}"`) throw new Refusal(412, 'conflict', '内容已被他人修改');
    if (body.markers.some((m) => !(m.x >= 0 && m.x <= 1 && m.y >= 0 && m.y <= 1))) throw new Refusal(400, 'bad_request', '标记的 x、y 须为 0 至 1');
    this.plans.set(asset, { ...body, revision: (before?.revision ?? 0) + 1 });
    this.log('admin', 'plan.changed', `asset:${asset}`);
    return show();
  },

  on_map({ res, rest }) {
    if (rest[0] !== 'settings') throw notFound('map');
    answer(res, 200, { tiles: this.tiles ?? '', datum: this.datum ?? 'wgs84', attribution: this.tiles ? '测试地图' : '' });
  },

  mapOf({ res, q }) {
    const all = this.selectDevices(q);
    const placed = all.filter((d) => typeof d.location === 'object' && d.location !== null);
    const [w, s, e, n] = (q.get('box') ?? '-180,-90,180,90').split(',').map(Number);
    const within = placed.filter(({ location: { lat, lon } }) => lon >= w && lon <= e && lat >= s && lat <= n);
    const limit = Number(q.get('limit') ?? this.mapLimit ?? 20000);
    const lats = placed.map((d) => d.location.lat);
    const lons = placed.map((d) => d.location.lon);
    const counts = (state) => within.filter((d) => d.state === state).length;
    const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length;
    const many = within.length > limit;
    answer(res, 200, {
      items: many ? [] : within.map((d) => [d.id, d.name ?? '', d.location.lat, d.location.lon, d.state]),
      clusters: many ? [[mean(within.map((d) => d.location.lat)), mean(within.map((d) => d.location.lon)), counts('online'), counts('offline'), counts('never')]] : [],
      extent: placed.length ? [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)] : null,
      total: all.length, placed: placed.length, within: within.length,
    });
  },
};
