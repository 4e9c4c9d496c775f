// The plant behind the mock server: devices, models and values as a function of time, so that any
// range of history can be answered without storing it.

const words = (zh, en) => ({ zh, en });
const prop = (id, zh, en, unit, min, max, more = {}) => ({
  id,
  name: words(zh, en),
  type: 'f64',
  unit,
  range: { min, max },
  access: 'r',
  ...more,
});
const stateWords = {
  0: words('停止', 'stopped'),
  1: words('运行', 'running'),
  2: words('故障', 'fault'),
};

export function demoThings() {
  return [
    {
      id: 'pump',
      name: words('循环水泵', 'Circulation pump'),
      description: '离心泵，变频驱动',
      version: '1',
      demo: true,
      properties: [
        prop('flow', '流量', 'Flow', 'm3/h', 0, 120),
        prop('pressure', '出口压力', 'Outlet pressure', 'bar', 0, 10),
        prop('power', '有功功率', 'Active power', 'kW', 0, 45),
        prop('vibration', '振动', 'Vibration', 'mm/s', 0, 11.2),
        prop('bearing_temp', '轴承温度', 'Bearing temperature', 'Cel', 0, 120),
        prop('state', '运行状态', 'State', '', 0, 2, { type: 'i64', enum: stateWords, range: {} }),
        prop('speed_set', '转速设定', 'Speed setpoint', '/min', 0, 2950, { access: 'rw' }),
      ],
      events: [{ id: 'dry_run', name: words('干转', 'Dry run'), level: 'error', fields: [] }],
      services: [{ id: 'start', name: words('启动', 'Start'), input: [], output: [] }],
    },
    {
      id: 'tank',
      name: words('水箱', 'Tank'),
      description: '',
      version: '1',
      demo: true,
      properties: [
        prop('level', '液位', 'Level', 'm', 0, 4),
        prop('temperature', '水温', 'Water temperature', 'Cel', 0, 95),
        prop('valve', '进水阀开度', 'Inlet valve', '%', 0, 100, { access: 'rw' }),
      ],
      events: [],
      services: [],
    },
    {
      id: 'cnc',
      name: words('加工中心', 'Machining centre'),
      description: '主轴与刀具状态',
      version: '2',
      demo: true,
      properties: [
        prop('spindle_speed', '主轴转速', 'Spindle speed', '/min', 0, 12000),
        prop('spindle_temp', '主轴温度', 'Spindle temperature', 'Cel', 0, 90),
        prop('load', '主轴负载', 'Spindle load', '%', 0, 150),
        prop('parts', '完成件数', 'Parts made', '1', 0, 100000, { type: 'i64' }),
        prop('running', '加工中', 'Cutting', '', 0, 1, { type: 'bool', range: {} }),
        prop('program', '程序号', 'Program', '', 0, 0, { type: 'text', range: {} }),
      ],
      events: [{ id: 'tool_worn', name: words('刀具磨损', 'Tool worn'), level: 'warning', fields: [] }],
      services: [],
    },
    {
      id: 'compressor',
      name: words('空压机', 'Compressor'),
      description: '',
      version: '1',
      demo: true,
      properties: [
        prop('pressure', '排气压力', 'Discharge pressure', 'bar', 0, 10),
        prop('temperature', '排气温度', 'Discharge temperature', 'Cel', 0, 120),
        prop('power', '有功功率', 'Active power', 'kW', 0, 110),
      ],
      events: [],
      services: [],
    },
    {
      id: 'meter',
      name: words('电能表', 'Energy meter'),
      description: '',
      version: '1',
      demo: true,
      properties: [
        prop('power', '有功功率', 'Active power', 'kW', 0, 400),
        prop('energy', '累计电量', 'Energy', 'kW.h', 0, 9999999),
        prop('voltage', '相电压', 'Phase voltage', 'V', 180, 260),
        prop('current', '电流', 'Current', 'A', 0, 800),
      ],
      events: [],
      services: [],
    },
  ];
}

export function demoAssets() {
  const a = (id, kind, name, parent = null) => ({ id, kind, name, parent });
  return [
    a('songjiang', 'enterprise', '松江机械'),
    a('plant-1', 'site', '一厂', 'songjiang'),
    a('water', 'area', '循环水站', 'plant-1'),
    a('machining', 'area', '机加车间', 'plant-1'),
    a('cell-1', 'cell', '一号单元', 'machining'),
    a('air', 'area', '空压站', 'plant-1'),
    a('power', 'area', '配电室', 'plant-1'),
  ];
}

const HOUR = 3_600_000;

export function demoDevices(extra = 0) {
  const now = Date.now();
  const list = [];
  const add = (id, name, thing, asset, more = {}) =>
    list.push({
      id,
      name,
      thing,
      asset,
      labels: {},
      state: 'online',
      since: new Date(now - 5 * HOUR).toISOString(),
      demo: true,
      driver: 'mqtt',
      description: '',
      location: '',
      write_enabled: false,
      aliases: [],
      created: new Date(now - 200 * HOUR).toISOString(),
      revision: 1,
      ...more,
    });
  add('pump-1', '1 号循环泵', 'pump', 'water', { labels: { loop: 'a' }, location: '泵房东侧' });
  add('pump-2', '2 号循环泵', 'pump', 'water', { labels: { loop: 'a' } });
  add('pump-3', '3 号备用泵', 'pump', 'water', { state: 'offline', since: new Date(now - HOUR).toISOString() });
  add('tank-1', '高位水箱', 'tank', 'water', { driver: 'modbus' });
  for (let i = 1; i <= 6; i += 1) {
    add(`cnc-0${i}`, `${i} 号加工中心`, 'cnc', 'cell-1', { labels: { line: i < 4 ? '1' : '2' } });
  }
  for (let i = 1; i <= 3; i += 1) add(`compressor-${i}`, `${i} 号空压机`, 'compressor', 'air', { driver: 'modbus' });
  for (let i = 1; i <= 8; i += 1) add(`meter-${i}`, `${i} 号进线柜`, 'meter', 'power', { driver: 'modbus' });
  add('agv-1', '搬运车', '', 'machining', { state: 'never', since: undefined, demo: false });
  for (let i = 1; i <= extra; i += 1) {
    add(`node-${String(i).padStart(6, '0')}`, `传感器 ${i}`, '', '', { state: i % 3 ? 'online' : 'offline', demo: false });
  }
  return list;
}

function hash(text) {
  let h = 2166136261;
  for (const c of text) h = Math.imul(h ^ c.codePointAt(0), 16777619);
  return (h >>> 0) / 4294967296;
}

/** Value of a numeric property at a time: slow swing of the shift, work cycles, a little noise. */
export function valueAt(device, property, ms) {
  const seed = hash(`${device.id}/${property.id}`);
  const s = ms / 1000;
  if (property.id === 'state') return device.state === 'online' ? 1 : 0;
  if (property.id === 'running') return Math.sin(s / 40 + seed * 9) > -0.4;
  if (property.id === 'program') return `O${1000 + Math.floor(s / 900 + seed * 40) % 40}`;
  if (property.id === 'parts') return Math.floor((s % 86400) / (70 + seed * 40));
  if (property.id === 'energy') return Math.round((s / 3600) * (80 + 60 * seed) * 10) / 10 - 3.3e7;
  const { min = 0, max = 100 } = property.range ?? {};
  const shift = Math.sin(((s % 86400) / 86400) * 2 * Math.PI + seed * 6);
  const cycle = Math.sin(s / (400 + 900 * seed) + seed * 20);
  const noise = (hash(`${Math.floor(s)}${seed}`) - 0.5) * 0.03;
  const share = 0.42 + 0.18 * seed + 0.1 * shift + 0.07 * cycle + noise;
  return Math.round((min + share * (max - min)) * 100) / 100;
}

export function qualityAt(device, property, ms) {
  if (device.state !== 'online') return 20;
  if (property.id === 'vibration' && Math.floor(ms / 20_000) % 6 === 0) return 84;
  return 192;
}
