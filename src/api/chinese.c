/* chinese.c - what the layers below say in English, for callers who read Chinese.
 *
 * A row is the format as the source has it and its Chinese; {1}, {2} ... stand for what the
 * format's conversions printed, which is itself looked up (a sentence inside a sentence). A text
 * without a row stays English. A test compares the rows with the sources
 * (tests/source/chinese_test.py). SPDX-License-Identifier: Apache-2.0 */
#include "api_int.h"

enum { CAPTURES = 6, DEPTH = 2, TEXT_MAX = 1024 };

static const struct {
    const char *english;
    const char *chinese;
} rows[] = {
    /* guard: people, passwords, roles, tokens, tenants */
    {"The body must be a JSON object.", "请求正文须为 JSON 对象。"},
    {"A tenant is never deleted: its id lives on in data.", "租户不能删除：数据中仍引用其编号。"},
    {"Disable it.", "可将其停用。"},
    {"The password is not text of at most %d bytes.", "密码须为不超过 {1} 字节的文本。"},
    {"The password has fewer than %u characters.", "密码少于 {1} 个字符。"},
    {"Four words in a row are easy to remember and long enough.", "连用四个词，好记且足够长。"},
    {"The password needs characters of %u kinds: capitals, small letters, digits, others.",
     "密码须包含 {1} 类字符：大写字母、小写字母、数字、其他。"},
    {"Add a capital, a digit or a sign; Chinese characters count as others.",
     "请加入大写字母、数字或符号；汉字计入“其他”。"},
    {"The password is too easy to guess.", "密码过于简单，容易被猜中。"},
    {"Use more different characters, and not the name.",
     "请使用更多不同的字符，且不要包含用户名。"},
    {"This password was used before.", "此密码曾经使用过。"},
    {"Take one that is none of the last %u.", "请勿使用最近 {1} 个密码。"},
    {"The display name is longer than %d bytes.", "显示名超过 {1} 字节。"},
    {"The language must be zh or en.", "语言只能是 zh 或 en。"},
    {"This is the last administrator of the root tenant.", "这是根租户的最后一个管理员。"},
    {"Make another person administrator first.", "请先将另一人设为管理员。"},
    {"This can not be a name: 1 to %d bytes without / @ + # : and quotes.",
     "名称无效：长度为 1 至 {1} 字节，不得包含 / @ + # : 和引号。"},
    {"There is such a person already.", "该人员已存在。"},
    {"There is no person \"%.*s\".", "没有人员“{1}”。"},
    {"There is a person %s already.", "人员 {1} 已存在。"},
    {"roles must be an array of at most %d names.", "roles 须为不超过 {1} 个角色名的数组。"},
    {"There is no role \"%.*s\".", "没有角色“{1}”。"},
    {"There is no role \"%s\".", "没有角色“{1}”。"},
    {"GET roles lists them.", "可用角色见 GET roles。"},
    {"This belongs to another tenant.", "该对象属于其他租户。"},
    {"You do not hold the permission %s yourself.", "您自己没有权限 {1}。"},
    {"Ask somebody who has it for good and for all of this tenant.",
     "请由对整个租户长期拥有该权限的人员办理。"},
    {"There is no permission \"%.*s\".", "没有权限“{1}”。"},
    {"permissions must be an array of names.", "permissions 须为权限名的数组。"},
    {"Roles are changed by who may write roles in the root tenant.",
     "只有在根租户有角色修改权限的人员才能修改角色。"},
    {"This can not be the name of a role.", "角色名无效。"},
    {"A builtin role never changes.", "内置角色不能修改。"},
    {"A builtin role can not be deleted.", "内置角色不能删除。"},
    {"There is such a role already.", "该角色已存在。"},
    {"Somebody still has this role.", "仍有人员使用该角色。"},
    {"Make a role of another name.", "请另建一个其他名称的角色。"},
    {"The name is longer than %d bytes.", "名称超过 {1} 字节。"},
    {"The quota %s must be a whole number from 0 (no limit).",
     "配额 {1} 须为不小于 0 的整数（0 表示不限）。"},
    {"expires must be a time in the future (RFC 3339 or milliseconds).",
     "expires 须为将来的时间（RFC 3339 或毫秒）。"},
    {"A token is limited to an asset, a label or one device.",
     "令牌只能限定为一个资产、一个标签或一台设备。"},
    {"These permissions can not be limited to a part of the plant.",
     "这些权限不能限定在部分范围内。"},
    {"Name no asset and no label, or give devices.read or the like.",
     "请去掉资产和标签，或改用 devices.read 等权限。"},
    {"A token that shows a dashboard has no roles, permissions, device, asset or label.",
     "仪表板大屏令牌不能带角色、权限、设备、资产或标签。"},
    {"The id of the dashboard is longer than %d bytes.", "仪表板编号超过 {1} 字节。"},
    {"A token needs a name of 1 to %d bytes.", "令牌须有 1 至 {1} 字节的名称。"},
    {"The device id is longer than %d bytes.", "设备编号超过 {1} 字节。"},
    {"A token needs roles, permissions or a device.", "令牌须指定角色、权限或设备。"},
    {"There are %u tokens already.", "令牌已达 {1} 个。"},
    /* guard: grants, the three administrators */
    {"Only one of asset, label and own can be named.", "asset、label、own 只能指定其一。"},
    {"Make one grant for each part.", "每个范围请各建一条授权。"},
    {"An asset or label is at most %d bytes of UTF-8.", "资产或标签不得超过 {1} 字节（UTF-8）。"},
    {"A label is written key:value.", "标签写作 键:值。"},
    {"A reason is at most %d bytes.", "理由不得超过 {1} 字节。"},
    {"grants must be an array of at most %d.", "grants 须为不超过 {1} 项的数组。"},
    {"Take those away that have ended.", "请删除已到期的授权。"},
    {"System, security and audit administration are separated here: one person has the powers of "
     "one of them only.",
     "本节点已三员分立：一人只能担任系统、安全、审计管理员之一。"},
    {"Give the other role to another person.", "请将另一角色授予其他人员。"},
    {"This is the last %s administrator.", "这是最后一个{1}管理员。"},
    {"system", "系统"},
    {"security", "安全"},
    {"audit", "审计"},
    {"Give that role to another person first.", "请先将该角色授予其他人员。"},
    {"With this, somebody would have the powers of two of the three administrators.",
     "如此修改将使某人兼有两员权限。"},
    {"Make two roles and give them to two people.", "请拆成两个角色，分别授予两人。"},
    {"%s has the powers of more than one of the three as well.",
     "{1} 同时拥有三员中多于一员的权限。"},
    {"Disable that person or take roles away first.", "请先停用该人员或收回其角色。"},
    {"The API token %s has the powers of more than one of the three.",
     "API 令牌 {1} 拥有三员中多于一员的权限。"},
    {"Revoke it first.", "请先吊销该令牌。"},
    {"Three names of new people are needed: system, security and audit, each with name and "
     "password.",
     "须给出三名新人员：system、security、audit，各含用户名和密码。"},
    {"The three administrators are separated already.", "三员已经分立。"},
    {"Only an administrator of the root tenant, signed in, can do this.",
     "只有登录的根租户管理员才能执行此操作。"},
    {"Take new names: the three begin without a past.", "请使用新的用户名：三员须为全新账号。"},
    /* guard: devices, certificates, allow lists, providers, keys */
    {"This certificate or name already stands for a device, or was revoked.",
     "该证书或名称已被设备使用，或已吊销。"},
    {"Make a new certificate; see the certificates of the device.",
     "请另制新证书；详见设备的证书页。"},
    {"A device has at most %d certificates and names, revoked ones counted.",
     "每台设备最多 {1} 个证书和名称（含已吊销）。"},
    {"Use another device, or remove this one and make it again.", "请改用其他设备，或删除后重建。"},
    {"This is not an X.509 certificate.", "这不是 X.509 证书。"},
    {"Send one certificate in PEM: -----BEGIN CERTIFICATE-----.",
     "请发送一个 PEM 证书：-----BEGIN CERTIFICATE-----。"},
    {"The certificate is out of date.", "证书已过期。"},
    {"Make one that is good for some time to come.", "请制作仍在有效期内的证书。"},
    {"This can not be the common name of a certificate.", "该名称不能用作证书通用名（CN）。"},
    {"A common name has 1 to 191 bytes of UTF-8.", "通用名为 1 至 191 字节（UTF-8）。"},
    {"A certificate is good for 1 to %d days.", "证书有效期为 1 至 {1} 天。"},
    {"This is not a certificate request that can be signed.", "这不是可签发的证书请求。"},
    {"Send a PKCS #10 request in PEM, signed with its own key: ECDSA P-256, P-384, P-521, Ed25519, "
     "or RSA of at least 2048 bits.",
     "请发送以自身密钥签名的 PKCS #10 请求（PEM）：ECDSA P-256、P-384、P-521，Ed25519，或不少于 "
     "2048 "
     "位的 RSA。"},
    {"An allow list has at most %d entries.", "白名单最多 {1} 项。"},
    {"Write a range instead of single addresses: 10.8.0.0/24.",
     "请用网段代替单个地址：10.8.0.0/24。"},
    {"'%.60s' is an address within a range.", "“{1}”是网段内的一个地址。"},
    {"The range is %s; a single address stands without a slash.",
     "网段应写作 {1}；单个地址不带斜线。"},
    {"'%.60s' is no address and no range.", "“{1}”既不是地址也不是网段。"},
    {"Write 10.8.0.7, 10.8.0.0/24, 2001:db8::7 or 2001:db8::/64.",
     "写作 10.8.0.7、10.8.0.0/24、2001:db8::7 或 2001:db8::/64。"},
    {"allow is a list of addresses and ranges; empty admits every address.",
     "allow 为地址和网段的列表；空列表表示不限地址。"},
    {"The person is linked there already, or somebody else is that.",
     "该人员已关联，或该外部账号已关联他人。"},
    {"A person has at most %d links.", "每人最多关联 {1} 个外部账号。"},
    {"%s at %.*s: %s (%s)", "{1}（{2}）：{3}（{4}）"},
    {"%s at %.*s: the answer was %d.", "{1}（{2}）：应答为 {3}。"},
    {"%s at %.*s is no JSON object.", "{1}（{2}）返回的不是 JSON 对象。"},
    {"The provider refused the code: %.*s.", "认证源拒绝了授权码：{1}。"},
    {"The provider answered the error %.*s.", "认证源返回错误 {1}。"},
    {"%s of the provider's document is no https address: \"%.*s\".",
     "认证源文档中的 {1} 不是 https 地址：“{2}”。"},
    {"The provider's document is of the issuer \"%.*s\", not of \"%.*s\".",
     "认证源文档的签发者为“{1}”，而非“{2}”。"},
    {"Enter the issuer exactly as the provider writes it, also the slash at its end.",
     "请按认证源给出的写法填写签发者，包括末尾的斜线。"},
    {"The provider does not know PKCE with S256.", "认证源不支持 PKCE（S256）。"},
    {"The role %s administers: nobody gets that from a provider here.",
     "角色 {1} 具有管理权限，不能由认证源授予。"},
    {"Give it to the person by hand, or set signin.administrators.",
     "请手工授予，或设置 signin.administrators。"},
    {"tls is ldaps, starttls or none.", "tls 只能是 ldaps、starttls 或 none。"},
    {"ldaps is TLS from the first byte on, port 636.", "ldaps 自首字节起即为 TLS，端口 636。"},
    {"servers is a list of 1 to 4 texts host or host:port.",
     "servers 为 1 至 4 个“主机”或“主机:端口”的列表。"},
    {"They are asked in turn when one does not answer. An IPv6 address stands in [ ].",
     "前一个无应答时依次尝试。IPv6 地址写在 [ ] 内。"},
    {"bind_dn is no distinguished name.", "bind_dn 不是有效的识别名（DN）。"},
    {"E.g. cn=songhua,ou=services,dc=plant,dc=cn; empty: anonymous.",
     "例如 cn=songhua,ou=services,dc=plant,dc=cn；留空为匿名。"},
    {"dn_template is no distinguished name with {login} in it.",
     "dn_template 不是含 {login} 的有效识别名（DN）。"},
    {"E.g. uid={login},ou=people,dc=plant,dc=cn; empty: the person is searched for.",
     "例如 uid={login},ou=people,dc=plant,dc=cn；留空则通过搜索查找人员。"},
    {"base is no distinguished name.", "base 不是有效的识别名（DN）。"},
    {"It is where people are searched for, e.g. ou=people,dc=plant,dc=cn.",
     "这是搜索人员的起点，例如 ou=people,dc=plant,dc=cn。"},
    {"group_base is no distinguished name.", "group_base 不是有效的识别名（DN）。"},
    {"Leave it empty when people carry their groups (memberOf).",
     "人员条目自带所属组（memberOf）时可留空。"},
    {"ca is not the PEM text of certificates, or too long.", "ca 不是 PEM 格式的证书，或过长。"},
    {"Paste who signs the directory's certificate; at most 6 KiB.",
     "请粘贴签发目录服务器证书的 CA 证书，不超过 6 KiB。"},
    {"Without TLS passwords cross the network in clear.", "不用 TLS 时，密码将在网络上明文传输。"},
    {"Use ldaps or starttls; allow_clear takes it nevertheless.",
     "请改用 ldaps 或 starttls；确需明文时设置 allow_clear。"},
    {"A text is longer than 255 bytes, or no one line.", "某项文字超过 255 字节，或不是单行。"},
    {"Look at the entry and send it again.", "请检查该项后重新提交。"},
    {"This is no name of an attribute.", "属性名无效。"},
    {"Letters, digits and dashes, e.g. uid, cn, memberOf.",
     "由字母、数字和连字符组成，例如 uid、cn、memberOf。"},
    {"How people come is linked, create or map.", "people 只能是 linked、create 或 map。"},
    {"linked lets only those in who were linked beforehand.", "linked 只允许事先关联的人员登录。"},
    {"roles is at most 16 names; map is at most 32 rows {\"value\",\"role\"}.",
     "roles 最多 16 个角色名；map 最多 32 行 {\"value\",\"role\"}。"},
    {"value is what the claim says, of at most 255 bytes.",
     "value 为声明的取值，不超过 255 字节。"},
    {"second_factor is own or provider.", "second_factor 只能是 own 或 provider。"},
    {"provider takes the provider's word (amr or acr) for it.",
     "provider 表示以认证源的声明（amr 或 acr）为准。"},
    {"acr_values is a text of at most 255 bytes.", "acr_values 为不超过 255 字节的文本。"},
    {"Write the values with blanks between them.", "多个取值以空格分隔。"},
    {"The issuer is an https address without ? and #.", "签发者须为不含 ? 和 # 的 https 地址。"},
    {"Take it from the provider as it is, also the slash at its end. http is taken for this "
     "machine "
     "itself only.",
     "请按认证源给出的写法填写，包括末尾的斜线。仅本机可用 http。"},
    {"The client id is a text of 1 to 255 bytes.", "客户端编号为 1 至 255 字节的文本。"},
    {"The provider gives it when Songhua is registered there.", "在认证源登记松花后由其给出。"},
    {"Claims have names of 1 to 64 bytes; scopes are a text of at most 255 bytes.",
     "声明名为 1 至 64 字节；scopes 为不超过 255 字节的文本。"},
    {"kind is oidc, ldap or certificate, and stays as it was.",
     "kind 须为 oidc、ldap 或 certificate，且不能更改。"},
    {"A name on the button is one line of at most 128 bytes.",
     "按钮名称为不超过 128 字节的单行文字。"},
    {"A directory gives no second factor.", "目录服务不提供第二因素。"},
    {"Set it to own: ours is asked for.", "请设为 own，由本平台验证第二因素。"},
    {"The account that searches (bind_dn) needs a password.", "搜索账号（bind_dn）须有密码。"},
    {"A bind without one is anonymous, whatever name it says.", "不带密码的绑定一律视为匿名。"},
    {"This can not be the id of a provider.", "认证源编号无效。"},
    {"Use 1 to 32 small letters, digits and dashes.", "请使用 1 至 32 个小写字母、数字和连字符。"},
    {"kind is oidc, ldap or certificate.", "kind 须为 oidc、ldap 或 certificate。"},
    {"Left out: oidc.", "省略时为 oidc。"},
    {"The secret is a text of at most 255 bytes.", "密钥为不超过 255 字节的文本。"},
    {"Leave the member out to keep the one that is stored.", "省略该项则保留原有密钥。"},
    {"There are %d providers already.", "认证源已达 {1} 个。"},
    {"A tenant has at most %d directories in use.", "一个租户最多启用 {1} 个目录。"},
    {"The filter needs %s, and no other word in braces.",
     "过滤器须包含 {1}，且不得有其他花括号内容。"},
    {"Write it as RFC 4515 has it, e.g. (&(objectClass=person)(uid={login})).",
     "请按 RFC 4515 书写，例如 (&(objectClass=person)(uid={login}))。"},
    {"directory %s, %s: %s", "目录 {1}，{2}：{3}"},
    {"People are linked to this provider.", "仍有人员关联此认证源。"},
    {"Unlink them first, or disable the provider: nobody comes in by it then.",
     "请先解除关联，或停用该认证源（停用后无人能由此登录）。"},
    /* guard, crypto: certificates of people */
    {"Paste the certificates of the authorities in PEM, at most 16.",
     "请粘贴 CA 证书（PEM，最多 16 张）。"},
    {"The trust list is empty, or longer than 32 KiB.", "信任列表为空，或超过 32 KiB。"},
    {"The trust list is not the PEM text of certificates.", "信任列表不是 PEM 格式的证书。"},
    {"One of the trusted certificates is none of an authority (basic constraints CA, key usage "
     "keyCertSign), or its key is not SM2, P-256, P-384 or RSA of 2048 bits and more.",
     "信任列表中有证书不是 CA 证书（基本约束 CA、密钥用法 keyCertSign），或其密钥不是 "
     "SM2、P-256、P-384 或 2048 位以上的 RSA。"},
    {"Trust the authority that issues people's certificates, not those.",
     "请填写签发人员证书的 CA 证书，而不是人员证书本身。"},
    {"Give the authorities' lists in PEM, at most 16 and 256 KiB.",
     "请提供 CA 发布的吊销列表（PEM，最多 16 个，共 256 KiB）。"},
    {"This is no list of revoked certificates.", "这不是证书吊销列表（CRL）。"},
    {"The distinguishing id of SM2 has at most 128 bytes.", "SM2 的用户身份标识最长 128 字节。"},
    {"Leave it empty for 1234567812345678, as GM/T 0009 has it.",
     "留空即为 GM/T 0009 规定的 1234567812345678。"},
    {"Policies are object ids such as 1.2.156.10197.1.301, by space.",
     "证书策略为以空格分隔的对象标识符，例如 1.2.156.10197.1.301。"},
    {"Leave it empty to take certificates of any policy.", "留空表示不限证书策略。"},
    {"The key is none of SM2, ECDSA P-256 or P-384, RSA of 2048 to 8192 bits.",
     "密钥不是 SM2、ECDSA P-256 或 P-384、2048 至 8192 位 RSA 之一。"},
    {"This is no signature of such a key: DER or r and s (SM2, ECDSA), or as long as the key (RSA) "
     "is expected.",
     "不是此类密钥的签名：SM2、ECDSA 应为 DER 或 r 与 s 相连，RSA 应与密钥等长。"},
    {"The signature is not this key's over this text (another key, another text, another hash, or "
     "for SM2 another distinguishing id).",
     "签名与此密钥及文本不符（密钥、文本或杂凑算法不同，或 SM2 的用户身份标识不同）。"},
    {"%s (certificate %d of the chain, counted from the person's).",
     "{1}（证书链第 {2} 张，从人员证书数起）。"},
    {"A certificate of the chain is none of an authority.", "证书链中有证书不是 CA 证书。"},
    {"The chain can not be checked to its end.", "证书链无法验证到底。"},
    {"This is the certificate of an authority, or its extensions can not be read.",
     "这是 CA 证书，或其扩展项无法读取。"},
    {"The key is not for signatures (key usage digitalSignature or nonRepudiation): of a pair it "
     "is the one for encryption.",
     "密钥不用于签名（密钥用法缺少 digitalSignature 或 "
     "nonRepudiation）：双证书中这一张是加密证书。"},
    {"The certificate is not for signing in (extended key usage clientAuth).",
     "证书不用于登录（扩展密钥用途缺少 clientAuth）。"},
    {"The certificate has none of the policies that are asked for.", "证书不含所要求的证书策略。"},
    {"The certificate is revoked.", "证书已被吊销。"},
    {"The certificate of an authority in between is revoked.", "中间 CA 的证书已被吊销。"},
    {"The list of revoked certificates is not signed by the authority whose name it has, or is not "
     "whole.",
     "吊销列表不是由所示 CA 签发，或不是完整列表。"},
    {"There is no list of revoked certificates of the authority that issued this certificate.",
     "缺少签发此证书的 CA 的吊销列表。"},
    {"There is no list of revoked certificates of an authority in between.",
     "缺少中间 CA 的上级发布的吊销列表。"},
    {"The list of revoked certificates is not in force any more: the authority has published a "
     "newer one, which is to be entered.",
     "吊销列表已过期：CA 已发布新的列表，请更新。"},
    {"This is no certificate in PEM or base64, or it is too long.",
     "不是 PEM 或 base64 格式的证书，或过长。"},
    {"The provider was changed or disabled meanwhile.", "认证源刚被修改或停用。"},
    {"The certificate is not that of the person who sits there, or the session has ended.",
     "证书不属于当前人员，或会话已结束。"},
    {"The session has ended.", "会话已结束。"},
    {"The session has ended, or is another one.", "会话已结束，或不是同一会话。"},
    {"The certificate is bound to somebody else.", "该证书已绑定给他人。"},
    {"A list of revoked certificates is not in force any more.", "有吊销列表已过期。"},
    {"There is no list of revoked certificates.", "未配置吊销列表。"},
    {"A certificate of the trust list is not in force.", "信任列表中有证书不在有效期内。"},
    {"None of the person's groups is mapped to a role.", "该人员所属的组均未对应角色。"},
    {"The groups would give the powers of an administrator, which signin.administrators refuses.",
     "这些组会授予管理员权限，signin.administrators 不允许。"},
    {"The groups give more than 16 roles.", "这些组对应的角色超过 16 个。"},
    {"Nobody here is linked to that person.", "本平台没有人员与其关联。"},
    {"Nobody yet: the first sign-in makes the person, if the field that names people is a name "
     "here.",
     "尚无此人：若命名字段可用作用户名，首次登录时创建。"},
    {"revocation is strict or lenient.", "revocation 须为 strict 或 lenient。"},
    {"strict refuses when a list is missing or not in force any more.",
     "strict 在缺少吊销列表或列表过期时拒绝登录。"},
    {"match is fingerprint or name.", "match 须为 fingerprint 或 name。"},
    {"name takes the field name_claim of the certificate for the name of a person here.",
     "name 将证书中 name_claim 字段的值视为本平台的用户名。"},
    {"distid is a text of at most 128 bytes, policies one of at most 255.",
     "distid 最长 128 字节，policies 最长 255 字节。"},
    {"name_claim is cn, serialNumber, emailAddress or uid.",
     "name_claim 须为 cn、serialNumber、emailAddress 或 uid。"},
    {"It is the field of the certificate's subject that names people.",
     "即证书主体中用来标识人员的字段。"},
    {"roles_claim is ou, o or empty.", "roles_claim 须为 ou、o 或留空。"},
    {"Its values are what map gives roles for.", "map 按其值授予角色。"},
    {"A certificate is linked by its SHA-256 fingerprint.", "证书按其 SHA-256 指纹关联。"},
    {"It is 64 hexadecimal digits, with or without colons.", "即 64 位十六进制数，可带冒号。"},
    {"certificate signature failure", "证书签名验证失败"},
    {"unable to get local issuer certificate", "信任列表中没有签发者"},
    {"unable to get issuer certificate", "找不到签发者证书"},
    {"unable to verify the first certificate", "无法验证第一张证书"},
    {"self-signed certificate", "自签名证书"},
    {"self-signed certificate in certificate chain", "证书链中有不受信任的自签名证书"},
    {"certificate has expired", "证书已过期"},
    {"certificate is not yet valid", "证书尚未生效"},
    {"invalid CA certificate", "CA 证书无效"},
    {"path length constraint exceeded", "超出路径长度限制"},
    {"CA signature digest algorithm too weak", "CA 签名的杂凑算法过弱"},
    {"EE certificate key too weak", "人员证书的密钥过弱"},
    {"CA certificate key too weak", "CA 证书的密钥过弱"},
    {"unhandled critical extension", "含有不支持的关键扩展项"},
    {"certificate chain too long", "证书链过长"},
    /* twin: assets, devices, commands, import */
    {"there is no asset %.*s", "没有资产 {1}"},
    {"an asset stands below one of an earlier kind: enterprise > site > area > line > cell",
     "资产须位于更高层级之下：企业 > 厂区 > 区域 > 产线 > 单元"},
    {"the asset %.*s below it is of the same or an earlier kind", "其下的资产 {1} 层级相同或更高"},
    {"not an id: 1 to 256 bytes without / and controls",
     "编号无效：1 至 256 字节，不得包含 / 和控制字符"},
    {"change is an object of labels, thing, asset or archived",
     "change 为含 labels、thing、asset 或 archived 的对象"},
    {"what is to change is missing", "缺少要修改的内容"},
    {"there is no device %.*s", "没有设备 {1}"},
    {"the device is read-only", "该设备为只读"},
    {"Enable writing for the device, with a reason and an end.",
     "请为该设备开启写入，并填写理由和截止时间。"},
    {"the thing model has no such service", "物模型中没有该服务"},
    {"the thing model has no such property", "物模型中没有该属性"},
    {"the property is read-only in the thing model", "该属性在物模型中为只读"},
    {"attributes are a JSON object", "attributes 须为 JSON 对象"},
    {"there is no thing model %.*s", "没有物模型 {1}"},
    {"Make or import the model that it extends first.", "请先新建或导入被扩展的物模型。"},
    {"/extends would make more than %d models above each other",
     "/extends：物模型的扩展层级超过 {1} 层"},
    {"/properties with the inherited ones are more than %d",
     "/properties：连同继承的属性超过 {1} 个"},
    {"the model %.*s below it does not fit: %.200s", "下级物模型 {1} 与此修改冲突：{2}"},
    {"Change %.*s first.", "请先修改 {1}。"},
    {"Change it in the model that has it, or give the member another id.",
     "请在定义它的物模型中修改，或换一个标识。"},
    {"Take the mark \"inherited\" away to keep it as a member of its own, or leave it out.",
     "去掉 inherited 标记可保留为自身成员，或将其移除。"},
    {"kept values would be read in another unit: %s", "已存的历史值会被当作另一单位解读：{1}"},
    {"kept values of %zu points would be read in another unit: %s",
     "{1} 个点位已存的历史值会被当作另一单位解读：{2}"},
    {"Choose a model that keeps the units, or whose properties of another unit have other ids; or, "
     "when the old unit was a mistake, repeat the request with units=corrected: kept values are "
     "then read in the new unit.",
     "请选择单位一致的物模型，或为新单位的属性另用标识；若原单位填写有误，可加 units=corrected "
     "重发请求，历史值将按新单位解读。"},
    {"not an id: 1 to %d bytes without control characters",
     "编号无效：1 至 {1} 字节，不得包含控制字符"},
    {"a device is a JSON object", "设备须为 JSON 对象"},
    {"more than %d labels", "标签超过 {1} 个"},
    {"there is a device of that id, or one had it before", "该编号的设备已存在，或曾被使用"},
    {"column %d: %s", "第 {1} 列：{2}"},
    {"the filter is longer than %d bytes", "筛选条件超过 {1} 字节"},
    {"with this the device lies outside of the part of the plant that your right is for",
     "如此修改后设备将超出您的权限范围"},
    {"give it an asset or a label of that part", "请为其选择权限范围内的资产或标签"},
    {"%s is an array of device ids", "{1} 须为设备编号的数组"},
    {"more than %d ids in one call", "一次请求的编号超过 {1} 个"},
    {"a reason is needed (at most 1000 bytes)", "须填写理由（不超过 1000 字节）"},
    {"the end is not within the next %d days", "截止时间须在今后 {1} 天内"},
    {"the file has no header row", "文件缺少表头行"},
    {"column %zu is unknown or there twice: %.*s", "第 {1} 列无法识别或重复：{2}"},
    {"the columns thing, id and type are needed", "须有 thing、id、type 三列"},
    {"column %zu is unknown: %.*s", "第 {1} 列无法识别：{2}"},
    {"Known: id name thing asset description location lat lon period_ms demo archived data_class "
     "data_level "
     "point_classes label.<key>.",
     "可用的列：id name thing asset description location lat lon period_ms demo archived "
     "data_class "
     "data_level "
     "point_classes label.<键>。"},
    {"clearance is an object of data_class and data_level.",
     "clearance 须为包含 data_class 和 data_level 的对象。"},
    {"data_class is general, important or core.", "data_class 须为 general、important 或 core。"},
    {"data_level is 1, 2 or 3.", "data_level 须为 1、2 或 3。"},
    {"This would show data of a class that you do not see yourself.",
     "这会让他人看到您自己都无权查看的数据级别。"},
    {"Give a lower clearance, or ask somebody who sees that class.",
     "请降低查看级别，或联系可查看该级别数据的人员。"},
    {"This would lower the data class of %.*s from %s, level %u, to %s, level %u.",
     "这会将 {1} 的数据分类分级从 {2} 第 {3} 级调低为 {4} 第 {5} 级。"},
    {"Leave the class as it is, or ask who holds data.classify to lower it with a reason.",
     "请保持原有分类分级，或请持有 data.classify 权限的人员填写原因后调低。"},
    {"the column %.*s is there twice", "列 {1} 重复"},
    {"there is no column id", "缺少 id 列"},
    {"the body is not a JSON array", "正文不是 JSON 数组"},
    {"the file is larger than %d MiB", "文件超过 {1} MiB"},
    {"the file is neither UTF-8 nor GBK, or not what it is said to be",
     "文件既非 UTF-8 也非 GBK，或与所选编码不符"},
    /* channels */
    {"there is no driver '%.*s'", "没有驱动“{1}”"},
    {"GET /api/v1/drivers lists them.", "可用驱动见 GET /api/v1/drivers。"},
    {"another channel of this listener has the same registration packet, or one of them has none",
     "同一监听端口上另有通道使用相同的注册包，或其中一个未设注册包"},
    {"Give each DTU its own registration packet or its own port.",
     "请为每台 DTU 设置各自的注册包或端口。"},
    {"the tag names a device that is not in the channel", "位号引用了不属于该通道的设备"},
    {"'%.*s' of %.*s, column %u: %s", "{2} 的“{1}”第 {3} 列：{4}"},
    {"a channel needs an id and an address; registration and heart-beat packets have at most 64 "
     "bytes",
     "通道须有编号和地址；注册包与心跳包不超过 64 字节"},
    {"a channel takes at most %d devices and %d tags", "每个通道最多 {1} 台设备、{2} 个位号"},
    {"Spread them over several channels.", "请分到多个通道。"},
    /* records */
    {"not the name of a type", "类型名无效"},
    {"the search text is too long or not UTF-8", "搜索文字过长或不是 UTF-8"},
    {"the cursor does not belong to this query", "游标不属于此查询"},
    {"the schema has more than %d parts", "模式超过 {1} 个部分"},
    {"the schema has too many $id, anchors or patterns", "模式中的 $id、锚点或正则过多"},
    {"checking it took too many steps", "校验步骤过多"},
    {"the document is larger than %u bytes", "文档超过 {1} 字节"},
    {"a record is a JSON object", "记录须为 JSON 对象"},
    {"the document is nested deeper than %u", "文档嵌套超过 {1} 层"},
    {"not the name of a type: letters, digits, _ . - (at most %d)",
     "类型名无效：字母、数字、_ . -（最多 {1} 个）"},
    {"not an id: 1 to %d bytes of UTF-8 without control characters",
     "编号无效：1 至 {1} 字节 UTF-8，不得包含控制字符"},
    {"not the name of a relation", "关系名无效"},
    {"there is no type %.*s", "没有类型 {1}"},
    {"index is a list of at most %d fields", "index 为不超过 {1} 个字段的列表"},
    {"index names fields of the document, such as status or site.line",
     "index 列出文档的字段，例如 status 或 site.line"},
    {"the name in the definition is not %.*s", "定义中的名称不是 {1}"},
    {"not a name for a type: a letter, then letters, digits, _ . -",
     "类型名无效：以字母开头，其后为字母、数字、_ . -"},
    /* what schemas say of a document, and what is wrong with a schema */
    {"is greater than %g", "大于上限 {1}"},
    {"is less than %g", "小于下限 {1}"},
    {"is not less than %g", "须小于 {1}"},
    {"is not greater than %g", "须大于 {1}"},
    {"is not a multiple of %g", "不是 {1} 的整数倍"},
    {"is longer than %lld characters", "超过 {1} 个字符"},
    {"is shorter than %lld characters", "少于 {1} 个字符"},
    {"does not match the pattern", "不符合规定的格式"},
    {"is not a valid %s", "不是有效的 {1}"},
    {"has the wrong type", "类型不符"},
    {"is not the one value that is allowed", "不是唯一允许的值"},
    {"is not one of the values that are allowed", "不在允许的取值之中"},
    {"has %lld of the items it must contain, not %lld", "所需元素有 {1} 个，应为 {2} 个"},
    {"has more than %lld of such items", "此类元素超过 {1} 个"},
    {"has more than %lld items", "元素超过 {1} 个"},
    {"has fewer than %lld items", "元素少于 {1} 个"},
    {"has the same item twice", "有重复的元素"},
    {"is not a member that is allowed", "是不允许的成员"},
    {"has more than %lld members", "成员超过 {1} 个"},
    {"has fewer than %lld members", "成员少于 {1} 个"},
    {"fits %u of the forms, not exactly one", "符合 {1} 种形式，须恰好符合一种"},
    {"fits none of the forms that are allowed", "不符合任何一种允许的形式"},
    {"has a form that is not allowed", "属于不允许的形式"},
    {"is not a JSON Schema", "不是 JSON Schema 模式"},
    {"is not allowed", "不允许出现"},
    {"lacks the member \"%.100s\"", "缺少成员“{1}”"},
    {"is not a name", "不是有效的名称"},
    {"is not a URI", "不是 URI 地址"},
    {"has a fragment", "不得带片段（#）"},
    {"is not a list of schemas", "不是模式的列表"},
    {"is not an object of schemas", "不是由模式组成的对象"},
    {"is not a whole number of at least 0", "不是大于等于 0 的整数"},
    {"is not a number", "不是数值"},
    {"is not the name of a type", "不是类型名"},
    {"has a member that is no type's name, or twice the same", "含有非类型名或重复的成员"},
    {"is empty", "为空"},
    {"is not a list of different names", "不是互不相同的名称列表"},
    {"is not an object", "不是对象"},
    {"has a member that is no list of names", "含有不是名称列表的成员"},
    {"is not a list", "不是列表"},
    {"is not a text", "不是文本"},
    {"is not true or false", "不是 true 或 false（真或假）"},
    {"is not a URI reference", "不是 URI 引用"},
    {"points to another document, which is not read", "指向其他文档，不予读取"},
    {"points to nothing", "指向不存在的位置"},
    {"is not greater than 0", "须大于 0"},
    {"is not a schema: an object, true or false", "不是模式：应为对象、true 或 false"},
    {"is not a regular expression (at %zu: %s)", "不是正则表达式（位置 {1}：{2}）"},
    /* JSON, and how the parser goes on */
    {"the document has %zu bytes, the limit is %zu", "文档有 {1} 字节，上限为 {2}"},
    {"nested deeper than %d levels", "嵌套超过 {1} 层"},
    {"memory is short", "内存不足"},
    {"not valid JSON: %s (line %d, column %d)", "不是有效的 JSON：{1}（第 {2} 行第 {3} 列）"},
    {"string or '}' expected near %s", "{1} 处应为字符串或右花括号"},
    {"'}' expected near %s", "{1} 处应为右花括号"},
    {"']' expected near %s", "{1} 处应为右方括号"},
    {"':' expected near %s", "{1} 处应为冒号"},
    {"unexpected token near %s", "{1} 处有意外的符号"},
    {"invalid token near %s", "{1} 处无法识别"},
    {"premature end of input near %s", "{1} 处内容提前结束"},
    {"end of file expected near %s", "{1} 之前应已结束"},
    {"duplicate object key near %s", "{1} 处成员名重复"},
    {"end of file", "末尾"},
    {"the document %s", "文档{1}"},
    {"the schema %s", "模式{1}"},
};

/* The conversion at p ("%.*s", "%zu"), or 0. */
static size_t conversion(const char *p)
{
    if (p[0] != '%' || p[1] == '%') {
        return 0;
    }
    size_t n = 1;
    while (strchr("0123456789.*lz", p[n]) != NULL && p[n] != '\0') {
        n++;
    }
    return p[n] == '\0' ? 0 : n + 1;
}

static bool is_number(struct sh_str s, char conversion)
{
    const char *also = conversion == 'g' ? ".e+-" : "";
    for (size_t i = 0; i < s.n; i++) {
        if ((s.p[i] < '0' || s.p[i] > '9') && !(i == 0 && s.p[i] == '-') &&
            strchr(also, s.p[i]) == NULL) {
            return false;
        }
    }
    return s.n > 0;
}

/* A capture ends where the text behind it begins for the first time: names that hold that text are
 * not understood, and the sentence stays English. */
static bool take(const char *format, struct sh_str text, struct sh_str got[CAPTURES], size_t *n)
{
    size_t at = 0;
    *n = 0;
    while (*format != '\0') {
        const size_t skip = conversion(format);
        if (skip == 0) {
            if (at >= text.n || text.p[at] != *format) {
                return false;
            }
            at++;
            format++;
            continue;
        }
        format += skip;
        const char next = *format;
        size_t end = next == '\0' ? text.n : at;
        const size_t literal = strcspn(format, "%");
        while (next != '\0' && end < text.n &&
               (end + literal > text.n || memcmp(text.p + end, format, literal) != 0)) {
            end++;
        }
        if (*n == CAPTURES || (next != '\0' && end >= text.n) ||
            (format[-1] != 's' && !is_number(sh_str_sub(text, at, end), format[-1]))) {
            return false;
        }
        got[(*n)++] = sh_str_sub(text, at, end);
        at = end;
    }
    return at == text.n;
}

static sh_err put(struct sh_buf *out, struct sh_str english, unsigned depth);

static sh_err fill(struct sh_buf *out, const char *chinese, const struct sh_str *got, size_t n,
                   unsigned depth)
{
    for (const char *p = chinese; *p != '\0';) {
        if (p[0] == '{' && p[1] >= '1' && p[1] <= '9' && p[2] == '}') {
            const size_t i = (size_t)(p[1] - '1');
            SH_TRY(i < n ? put(out, got[i], depth + 1) : SH_OK);
            p += 3;
        } else {
            SH_TRY(sh_buf_put_u8(out, (uint8_t)*p));
            p++;
        }
    }
    return SH_OK;
}

/* "/properties/t/unit is not ...": a place, then what is wrong with it. */
static sh_err put_placed(struct sh_buf *out, struct sh_str english, unsigned depth)
{
    const size_t blank = sh_str_find(english, ' ');
    if (blank >= english.n) {
        return sh_buf_put_str(out, english);
    }
    SH_TRY(sh_buf_put_str(out, sh_str_sub(english, 0, blank + 1)));
    return put(out, sh_str_sub(english, blank + 1, english.n), depth);
}

static sh_err put(struct sh_buf *out, struct sh_str english, unsigned depth)
{
    struct sh_str got[CAPTURES];
    size_t n = 0;
    if (english.n > 0 && english.p[0] == '/') {
        return put_placed(out, english, depth);
    }
    for (size_t i = 0; depth <= DEPTH && i < sizeof rows / sizeof rows[0]; i++) {
        if (take(rows[i].english, english, got, &n)) {
            return fill(out, rows[i].chinese, got, n, depth);
        }
    }
    return sh_buf_put_str(out, english);
}

struct sh_str api_chinese(struct sh_arena *a, const struct sh_alloc *alloc, struct sh_str english)
{
    struct sh_buf out;
    sh_buf_init(&out, alloc, TEXT_MAX);
    const sh_err err = put(&out, english, 0);
    struct sh_str kept = english;
    if (err == SH_OK) {
        kept = sh_arena_printf(a, "%.*s", SH_PRI(sh_buf_str(&out)));
    }
    sh_buf_fini(&out);
    return kept.p == NULL ? english : kept;
}
