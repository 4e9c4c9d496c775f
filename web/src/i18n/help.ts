// Help in place: what a page is for, how its commonest tasks are done, and its keys. Each text twice: Chinese, English.
export type Text = readonly [zh: string, en: string];
export interface PageHelp {
  /** As the router's patterns; the first that fits is shown. */
  path: string;
  what: Text;
  steps: readonly Text[];
  keys?: readonly (readonly [keys: string, does: Text])[];
  /** Pages to go on with. */
  more?: readonly string[];
}

export const everywhere: NonNullable<PageHelp['keys']> = [
  ['Ctrl K', ['查找页面、设备、点位、人员、租户', 'Search pages, devices, points, people, tenants']],
  ['?', ['本页帮助', 'Help on this page']],
  ['Esc', ['关闭对话框', 'Close a dialog']],
  ['Tab / Enter', ['逐项移动 / 打开', 'Move on / open']],
];

export const pages: readonly PageHelp[] = [
  {
    path: '/',
    what: ['一眼看清全厂：设备在线情况、数据流量、存储余量、待处理问题和最近变更。', 'The plant at a glance: devices, traffic, storage, problems and recent changes.'],
    steps: [
      ['点击“在线”“离线”“未上线”，打开对应状态的设备列表。', 'Click online, offline or never seen to open the devices in that state.'],
      ['“问题”逐条给出处理办法；右上角铃铛在任何页面都能看到。', 'Each problem says what helps; the bell at the top shows them on every page.'],
      ['“落盘时间”持续升高，说明磁盘变慢：查看“运行状况”。', 'A commit time that keeps rising means a slow disk: see System health.'],
    ],
    more: ['/devices', '/health'],
  },
  {
    path: '/dashboards',
    what: ['自己搭建的画面：曲线、数值、表格、设备状态和文字，数据实时刷新。', 'Pages you lay out yourself: charts, values, tables, states and text, live.'],
    steps: [
      ['新建仪表板，在编辑器中添加组件，拖动位置和大小，然后保存。', 'Make a dashboard, add widgets in the editor, drag and resize them, save.'],
      ['在设置中与本租户同事共享；可导出为 JSON 在其他节点导入。', 'Share it with colleagues in its settings; export it as JSON for another node.'],
      ['大屏：在仪表板中生成大屏链接，只读、不会退出登录。', 'For a wall: make a panel link; it is read-only and never signs out.'],
    ],
  },
  {
    path: '/dashboards/:id',
    what: ['一块仪表板。数据来自实时流，无需刷新页面。', 'One dashboard. Values come by the live stream; nothing has to be reloaded.'],
    steps: [
      ['“全屏”适合值班大屏；“编辑”后才能移动组件。', 'Full screen suits a control room; widgets move only after Edit.'],
      ['编辑时撤销、重做随时可用；他人同时保存时会让您选择保留哪一份。', 'Undo and redo while editing; if somebody saved meanwhile you choose which stays.'],
    ],
    keys: [
      ['Ctrl Z / Ctrl Y', ['撤销 / 重做（编辑时）', 'Undo / redo (while editing)']],
      ['← ↑ → ↓', ['移动所选组件；按住 Shift 改变大小', 'Move the chosen widget; with Shift resize it']],
    ],
  },
  {
    path: '/devices',
    what: ['全部设备：查找、筛选、批量修改、导入导出；左侧为资产树。', 'All devices: find, filter, change many at once, import and export; the asset tree is at the left.'],
    steps: [
      ['接入第一台设备：新建设备，打开它的“接入”页，复制账号和代码。', 'The first device: create it, open its Connect tab, copy user and code.'],
      ['批量导入：下载模板，填好后导入；先试运行，被拒绝的行可下载修改。', 'Many at once: download the template, fill it in, import; a trial run comes first, and refused rows can be downloaded.'],
      [
        '同类设备：选用建档模板，标识写成 pump-{01..50} 可一次新建一批。',
        'Devices of one kind: begin with a template; an id such as pump-{01..50} makes a whole series.',
      ],
      ['勾选多台设备后，可统一打标签、移动资产、归档或导出；修改可撤回。', 'Tick several to label, move, archive or export them together; changes can be taken back.'],
      [
        '右上角切换列表、平面图和地图，筛选条件不变；地图使用设备的经纬度。',
        'List, plan and map at the top keep the filter; the map takes latitude and longitude of devices.',
      ],
      [
        '平面图：在资产树中选择资产，上传布局图，点“编辑平面图”后将设备拖到所在位置。',
        'Plan: choose an asset, give it a picture, press Edit plan and drag devices to where they stand.',
      ],
      ['常用的筛选和列可存为视图，分享给同事。', 'Keep filters and columns as a view and share it.'],
    ],
    keys: [
      ['Shift', ['选择一段连续的行', 'Choose a range of rows']],
      ['F2', ['重命名资产', 'Rename an asset']],
      ['+ − 0', ['平面图、地图：放大、缩小、显示全部', 'Plan, map: nearer, farther, all of it']],
      ['Ctrl Z', ['编辑平面图时撤销', 'Undo while a plan is edited']],
    ],
    more: ['/provisioning', '/things'],
  },
  {
    path: '/devices/:id',
    what: ['一台设备：实时值、历史、事件、命令、接入方法、证书与访问控制。', 'One device: values now, history, events, commands, how it connects, certificates and access.'],
    steps: [
      ['“接入”页给出各协议、各语言的示例，账号已填好。', 'Connect has examples for each protocol and language with this device filled in.'],
      [
        '“控制”：限时启用写入后，按物模型下发命令，下发前需确认，应答和记录都在同一页。',
        'Control: writes are allowed for a time; commands follow the thing model, are confirmed before they go, and answer on the same page.',
      ],
      ['“期望与上报”对照期望值与设备上报值，不一致时标出。', 'Desired and reported stand side by side; what differs is marked.'],
      ['怀疑设备被冒用时，在“访问控制”中隔离它，连接立即中断。', 'If you suspect misuse, quarantine it under Access: its connections end at once.'],
      ['“变更”页列出谁改过资料；审计人员还能看到关于它的审计记录。', 'Changes tells who changed its description; auditors also see the audit about it.'],
      ['“文件”页存放说明书、图纸、合格证和照片：拖入即上传，图片、PDF 和文本可直接查看。', 'Files keeps manuals, drawings, certificates and photos: drop them there; pictures, PDF and texts are seen in place.'],
    ],
    more: ['/history'],
  },
  {
    path: '/compare',
    what: ['并排比较几台设备：属性差异，以及同名点位的曲线。', 'Devices side by side: what differs, and points they share as lines.'],
    steps: [['在设备列表勾选两台或更多，再选“比较”。', 'Tick two devices or more in the list, then Compare.']],
    more: ['/devices'],
  },
  {
    path: '/device-templates',
    what: ['建档模板：同类设备的共同内容，新建时选用。', 'Device templates: what devices of one kind have in common; new ones begin with it.'],
    steps: [
      ['在新建设备时选用模板，只需再填标识。', 'Choose one when you make a device; only the id is left to fill in.'],
      ['标识写成 pump-{01..50}，一次新建 50 台；文字中的 {n} 换成编号。', 'An id such as pump-{01..50} makes 50 devices; {n} in texts becomes the number.'],
    ],
    more: ['/devices', '/things'],
  },
  {
    path: '/provisioning',
    what: ['设备预置密钥：让一批新设备自己领取身份，无需逐台录入。', 'Provisioning keys: new devices fetch their identity themselves, none is typed in.'],
    steps: [
      ['新建密钥：限定设备编号规则、台数和有效期，密钥只显示一次。', 'Make a key for a pattern of ids, a number of devices and a time; it is shown once.'],
      ['将密钥写入设备固件或出厂工装，设备首次上线时换取正式凭据。', 'Put it into firmware or the factory tool; at first contact the device gets its own credential.'],
    ],
    more: ['/devices'],
  },
  {
    path: '/things',
    what: ['物模型：一类设备有哪些点位、事件和服务，单位和量程是什么。', 'Thing models: the points, events and services of a kind of device, with units and ranges.'],
    steps: [
      ['新建物模型，添加点位的类型、单位和量程；再在设备上选用它。', 'Make a model, give points type, unit and range; then choose it on devices.'],
      [
        '相近的设备可让一个物模型扩展另一个，只改不同之处；列表中可看到使用它的设备数与下级模型数。',
        'For kinds that are alike let one model extend another and say only what differs; the list counts devices and models below.',
      ],
      ['导入导出为 JSON 或 CSV；导入前会列出每个模型的差异。', 'Import and export as JSON or CSV; what differs in each model is shown before anything is stored.'],
    ],
    more: ['/devices'],
  },
  {
    path: '/things/:id',
    what: ['编辑一个物模型。保存后，使用它的设备立即生效。', 'Edit a thing model. Devices that use it follow when it is saved.'],
    steps: [
      [
        '保存前会列出差异、受影响的设备与映射：改类型会新建点位，改单位须确认原单位填写有误。',
        'Before it is saved you see what differs and whom it touches: another type is a new point, another unit needs your word that the old one was a mistake.',
      ],
      ['“版本”页可比较任意两个版本并恢复，也可撤销最近一次修改。', 'Versions compares any two and puts one back; it also undoes the last change.'],
      ['灰色的成员继承自上级模型，用行尾按钮覆盖或恢复继承。', 'Grey members are inherited; the button at the end of the row overrides them or inherits again.'],
      ['访问方式“读写”的点位才能下发期望值。', 'Only points with access read-write take desired values.'],
    ],
    more: ['/things'],
  },
  {
    path: '/history',
    what: ['历史曲线：任选点位和时间段，缩放、统计、对比、修正、导出。', 'History: all points over time, zoom, statistics, comparison, corrections, export.'],
    steps: [
      ['添加点位，在图上横向拖动即可放大；双击还原。', 'Add points; drag across the chart to zoom, double-click to go back.'],
      ['选定一段后，可看统计值（均值、极值、百分位、积分），或修正、撤回样本。', 'Choose a stretch for its statistics (mean, extremes, percentiles, integral), or to correct or withdraw samples.'],
      ['“对比”叠加另一时段；“分享链接”带走当前全部设置。', 'Compare lays another period over it; the link carries all settings.'],
      ['“计算序列”由点位写出表达式（单位自动核对），得到一条新的曲线，如 {p-1/功率} / {p-1/流量}。', 'Calculate makes a line from points by an expression whose units are checked, as {p-1/power} / {p-1/flow}.'],
      ['“数据质量”在时间轴下标出缺口、不变值、质量差和超量程；点击即放大。', 'Data quality shows gaps, stuck, bad and out-of-range values below the time axis; a press zooms.'],
      ['“标注”记下检修、故障和工艺调整，显示在曲线和仪表板上。', 'Notes keep maintenance, faults and process changes; charts and dashboards mark them.'],
      ['“导出”支持 Excel、CSV、行协议和列式二进制。', 'Export gives Excel, CSV, line protocol and columnar binary.'],
    ],
    keys: [
      ['← →', ['移动时间窗（焦点在图上时）', 'Move in time (when the chart has the focus)']],
      ['+ −', ['放大 / 缩小', 'Zoom in / out']],
      ['0', ['回到最初的时段', 'Back to the first range']],
    ],
    more: ['/dashboards'],
  },
  {
    path: '/people',
    what: ['能登录的人员：角色、临时授权、会话和双因素。', 'People who sign in: roles, grants for a time, sessions and second factors.'],
    steps: [
      ['新建人员并选择角色；首次登录须修改密码。', 'Make a person and choose roles; the first sign-in changes the password.'],
      ['只管一条产线、只用一个月：在授权中限定范围和起止时间。', 'One line only, one month only: give a grant with its part and times.'],
      ['“为何可以 / 为何不可以”说明某人的每项权限来自哪里。', 'Why may I / may I not shows where each right comes from.'],
    ],
    more: ['/roles', '/sign-in-providers'],
  },
  {
    path: '/sign-in-providers',
    what: ['统一认证：用单位已有的账号系统登录本平台。', 'Sign-in providers: people come in by the accounts your company has already.'],
    steps: [
      ['新建认证源，填写地址和客户端信息，先“测试连接”。', 'Add a provider with address and client, and try the connection first.'],
      ['角色规则决定登录者得到哪些角色；管理员权限不会由规则授予。', 'The rule of roles says who gets what; powers of administrators are never given by it.'],
      [
        '数字证书：填写 CA 证书和吊销列表；人员在个人账户页签名一次即绑定。',
        'Certificates: enter the authorities and their lists; people bind theirs on the account page by signing once.',
      ],
      ['认证源不可用时，本地管理员仍可登录。', 'Local administrators still come in when the provider is away.'],
    ],
    more: ['/people'],
  },
  {
    path: '/roles',
    what: ['角色是一组权限。内置角色不可修改，可复制后调整。', 'A role is a set of rights. Builtin ones never change; copy one to alter it.'],
    steps: [
      ['复制最接近的内置角色，增减权限，再分配给人员或令牌。', 'Copy the builtin role that is nearest, change its rights, give it to people or tokens.'],
      ['不能授予自己没有的权限。', 'Nobody gives a right that he does not hold.'],
    ],
    more: ['/people', '/tokens'],
  },
  {
    path: '/tenants',
    what: ['租户树：省、园区、企业各自独立的数据和配额。', 'The tree of tenants: province, park, enterprise, each with its own data and quotas.'],
    steps: [
      ['新建下级租户，设定设备、点位、连接、存储和速率配额。', 'Make a tenant below yours with quotas for devices, points, connections, storage and rate.'],
      ['“进入”即以监管者身份查看其设备与数据；顶部标记提示当前租户。', 'Enter shows its devices and data as its supervisor; the mark at the top says where you are.'],
      ['租户只能停用，不能删除：历史和审计须保留。', 'Tenants are disabled, never deleted: history and audit stay.'],
    ],
  },
  {
    path: '/tokens',
    what: ['API 令牌：供程序、网关和大屏使用的凭据。', 'API tokens: credentials for programs, gateways and wall panels.'],
    steps: [
      ['只给需要的角色，并设定到期时间；令牌只显示一次。', 'Give only the roles it needs and an end; it is shown once.'],
      ['“最近使用”可找出闲置令牌，及时吊销。', 'Last use finds the idle ones: revoke them.'],
    ],
    more: ['/api-explorer', '/roles'],
  },
  {
    path: '/account',
    what: ['个人账户：密码、双因素、登录会话和本人的权限。', 'Your account: password, second factor, sessions and what you may do.'],
    steps: [
      ['启用动态验证码或安全密钥，并打印恢复码。', 'Set up codes or a security key, and print the recovery codes.'],
      ['发现陌生会话，立即结束它并修改密码。', 'End a session that you do not know, and change the password.'],
    ],
  },
  {
    path: '/backups',
    what: ['备份整个节点，并自动演练恢复。', 'Backups of the whole node, each restored on trial.'],
    steps: [
      ['在系统配置中设置 backup.dir（最好在另一台机器的磁盘）和周期。', 'Set backup.dir (best on another machine) and the time between in Settings.'],
      ['设置 backup.sftp 后，每份备份自动复制到 SFTP 服务器；也可从那里取回。', 'With backup.sftp each backup is copied to an SFTP server by itself, and can be fetched from there.'],
      ['恢复分两步：先准备（不影响运行），再启用（节点重启几秒）；原来的数据保留，可以换回。', 'A restore is made ready (nothing changes), then put in place (a restart of seconds); the data of before can come back.'],
      ['未设口令时备份不含密钥：请打印密钥恢复单。', 'Without a passphrase keys are left out: print the recovery sheet.'],
    ],
    more: ['/settings', '/security/keys'],
  },
  {
    path: '/audit',
    what: ['谁在何时从何处做了什么。记录链不可改，可离线核验。', 'Who did what, when and from where. The chain cannot be altered and is proved off-line.'],
    steps: [
      ['按人员、对象、动作、时间查找，可导出。', 'Search by person, object, act and time; export what was found.'],
      ['定期下载签名检查点并另存他处：日后可证明记录未被重写。', 'Keep signed checkpoints elsewhere: they prove later that nothing was rewritten.'],
    ],
  },
  {
    path: '/settings',
    what: ['系统配置：修改先检查、看清差异，再一次生效；可回滚。', 'Settings: a change is checked, shown as a difference, applied as a whole, and can be rolled back.'],
    steps: [
      ['修改一项或多项，点“检查”，确认差异和警告后应用。', 'Change one or more, look at difference and warnings, apply.'],
      ['标有“重启后生效”的项，在下次启动时生效。', 'What waits for a restart says so.'],
      ['“变更记录”中可查看每次修改，并退回到任意一次之前。', 'Changes lists each one with the way back.'],
    ],
    more: ['/settings/changes', '/health'],
  },
  {
    path: '/settings/changes',
    what: ['配置的每一次变更：谁、何时、为何、改了什么。', 'Each change of the settings: who, when, why and what.'],
    steps: [['选择一次变更，可回滚到它之前的状态。', 'Choose one to go back to what was before it.']],
    more: ['/settings'],
  },
  {
    path: '/health',
    what: ['节点运行状况：处理器、内存、循环、线程、日志写入和磁盘。', 'How the node fares: processor, memory, loops, workers, journal and disk.'],
    steps: [
      ['循环时间变长，说明处理器不足或有慢查询。', 'Long turns of a loop mean too little processor or a slow query.'],
      ['落盘时间是确认数据前的磁盘同步时间。', 'The commit time is the disk sync before data is acknowledged.'],
    ],
    more: ['/slow', '/logs'],
  },
  {
    path: '/slow',
    what: ['耗时超过阈值的请求、SQL 语句和 PromQL 查询。', 'Requests, SQL statements and PromQL queries that took longer than the limit.'],
    steps: [
      ['按耗时排序，打开“详情”查看问了什么；历史查询可直接在“历史”中打开。', 'Sort by how long they took; Details shows what was asked; a query of history opens in History.'],
      ['排队时间长，说明工作线程不足（配置项 workers）；否则缩小查询的时间范围或改用更大的步长。', 'Long waiting means too few workers (setting workers); else ask for less time or a longer step.'],
      ['阈值是配置项 api.slow，修改后立即生效。', 'The limit is the setting api.slow; a change counts at once.'],
    ],
    more: ['/settings', '/health'],
  },
  {
    path: '/logs',
    what: ['最近的运行日志，可按级别和文字过滤、跟随、保存。', 'The newest log lines: filter by level and text, follow, save.'],
    steps: [['反馈问题时，请保存相关时段的日志一并提供。', 'When you report a problem, save the lines around it.']],
    more: ['/health'],
  },
  {
    path: '/security',
    what: ['逐项安全自查，对照等保 2.0 三级和 IEC 62443-3-3，可打印。', 'Each security control against 等保 2.0 level 3 and IEC 62443-3-3, for print.'],
    steps: [
      ['先看“不符合”：每项都有证据、整改措施和直达链接。', 'Begin with Not met: each has evidence, remedy and a link.'],
      ['打印此页交给测评机构。', 'Print it for the assessor.'],
    ],
    more: ['/security/data', '/security/keys', '/security/components'],
  },
  {
    path: '/security/data',
    what: ['数据目录：各分类分级有多少点位、物模型、属性和业务记录类型。', 'The data catalogue: how many points, models, properties and record types there are of each class and level.'],
    steps: [
      ['在物模型、属性、设备或业务记录类型上设置分类分级；未设置的按租户默认。', 'Set class and level on a model, a property, a device or a record type; what says nothing has the tenant’s default.'],
      ['在“角色”中设置查看级别：超出级别的点位只列出，数值脱敏。', 'Roles say up to which class they show values; what is above is listed, its value masked.'],
      ['调低分类分级须由安全管理员填写原因，并记入审计。', 'Lowering a class is for the security administrator, with a reason, and is audited.'],
      ['导出目录（CSV），用于重要数据目录备案。', 'Export the catalogue (CSV) to file it with the authority.'],
    ],
    more: ['/roles', '/things', '/security'],
  },
  {
    path: '/security/keys',
    what: ['机密存储所用的密钥：轮换、主密钥位置和恢复单。', 'Keys of secrets at rest: change, master key and recovery sheet.'],
    steps: [
      ['首次部署后打印恢复单，与备份分开锁好。', 'Print the recovery sheet after the first set-up, and lock it away apart from backups.'],
      ['每年轮换一次密钥，不影响运行。', 'Make a new key once a year; nothing stops for it.'],
    ],
    more: ['/security', '/backups'],
  },
  {
    path: '/security/components',
    what: ['本程序所含组件及其许可证（SBOM）。', 'What the program is made of, with licences (SBOM).'],
    steps: [['下载 CycloneDX 文件，交给漏洞扫描工具比对。', 'Download the CycloneDX file for a vulnerability scanner.']],
    more: ['/security'],
  },
  {
    path: '/api-explorer',
    what: ['全部接口的说明；读取类接口可直接试用。', 'Every API with its description; those that read can be tried at once.'],
    steps: [
      ['选择接口、填写参数、发送，查看返回；机器可读的定义见 openapi.json。', 'Choose one, fill in parameters, send, see the answer; openapi.json is for machines.'],
      ['程序请使用令牌，不要使用个人密码。', 'Programs use a token, not a person’s password.'],
    ],
    more: ['/tokens'],
  },
];
