/* mb_addr.c - parsing and printing of Modbus addresses. The parser walks the text once; each
 * refusal names the place (column, length), a stable code, and what to type instead, in both
 * languages. SPDX-License-Identifier: Apache-2.0 */
#include "mb_addr.h"

#include <stdio.h>

struct words {
    const char *code;
    const char *en;
    const char *zh;
    const char *fix_en;
    const char *fix_zh;
};

static const struct words w_place = {
    "modbus.place", "This is not a Modbus place.", "这不是 Modbus 地址。",
    "Write 40001 or 400001, 4x1, or h0 (holding register counted from 0); 3 is input register, 1 "
    "discrete input, 0 coil.",
    "请写 40001 或 400001、4x1，或 h0（保持寄存器，从 0 计）；3 为输入寄存器，1 为离散输入，0 "
    "为线圈。"};
static const struct words w_zero = {
    "modbus.from_one", "This numbering counts from 1; number 0 does not exist.",
    "这种写法从 1 计数，没有第 0 号。", "Add 1, or write c0, d0, i0 or h0 to count from 0.",
    "请加 1；或写 c0、d0、i0、h0 从 0 计数。"};
static const struct words w_range = {
    "modbus.range", "The address lies beyond the last one, 65536.", "地址超过最大值 65536。",
    "Check the number; a value of several registers must end at or before 65536.",
    "请检查编号；占多个寄存器的值须在 65536 或之前结束。"};
static const struct words w_bit = {"modbus.bit", "A bit number is 0 to 15.", "位号应为 0 到 15。",
                                   "Bit 0 is the least significant bit of the register.",
                                   "第 0 位是寄存器的最低位。"};
static const struct words w_bit_area = {
    "modbus.bit_area", "Only a register has bits.", "只有寄存器才有位。",
    "Leave the dot and the bit number out: a coil or discrete input is one bit already.",
    "请去掉点号和位号：线圈和离散输入本身就是一位。"};
static const struct words w_type = {
    "modbus.type_unknown", "This type is not known.", "没有这种类型。",
    "Types: bool int16 uint16 int32 uint32 int64 uint64 float32 float64 bcd16 bcd32 string<bytes>.",
    "类型：bool int16 uint16 int32 uint32 int64 uint64 float32 float64 bcd16 bcd32 "
    "string<字节数>。"};
static const struct words w_type_area = {
    "modbus.type_area", "A coil, a discrete input or a single bit is always bool.",
    "线圈、离散输入和单独的位只能是 bool。", "Leave the type out or write bool.",
    "请去掉类型，或写 bool。"};
static const struct words w_type_bool = {
    "modbus.type_bool", "A register as bool needs its bit number.", "寄存器取 bool 需要位号。",
    "Write for example 4x10.3 for bit 3.", "例如第 3 位写作 4x10.3。"};
static const struct words w_length = {
    "modbus.string_length", "A string needs its length in bytes, 1 to 246.",
    "字符串需要字节长度，1 到 246。", "Write for example string20.", "例如 string20。"};
static const struct words w_option = {
    "modbus.option", "This is neither a word order nor a text encoding.",
    "这既不是字序也不是文本编码。",
    "Word orders: abcd cdab badc dcba (16 bits: ab ba); text encodings of strings: utf8 gbk.",
    "字序：abcd cdab badc dcba（16 位：ab ba）；字符串编码：utf8 gbk。"};
static const struct words w_end = {
    "modbus.trailing", "There is something behind the address.", "地址后面有多余的内容。",
    "Write only place, .bit, :type, :order.", "只写 位置、.位、:类型、:字序。"};

static const struct type_row {
    const char *name;
    uint8_t type;
    uint8_t regs;
} types[] = {
    {"bool", MB_BOOL, 1},     {"int16", MB_INT16, 1},     {"uint16", MB_UINT16, 1},
    {"int32", MB_INT32, 2},   {"uint32", MB_UINT32, 2},   {"int64", MB_INT64, 4},
    {"uint64", MB_UINT64, 4}, {"float32", MB_FLOAT32, 2}, {"float64", MB_FLOAT64, 4},
    {"bcd16", MB_BCD16, 1},   {"bcd32", MB_BCD32, 2},
};
static const char *const order_names[] = {"abcd", "cdab", "badc", "dcba"};
static const char area_digit[] = {'0', '1', '3', '4'};

/* Parser state: what is left, and where it began. */
struct cur {
    struct sh_str all;
    size_t i;
    struct sh_drv_addr_error *why;
};

static sh_err refuse(const struct cur *c, size_t from, size_t to, const struct words *w)
{
    struct sh_drv_addr_error *e = c->why;
    if (e != NULL) {
        *e = (struct sh_drv_addr_error){
            .code = w->code, .column = (uint32_t)from, .len = (uint32_t)(to - from)};
        (void)snprintf(e->message_en, sizeof e->message_en, "%s", w->en);
        (void)snprintf(e->message_zh, sizeof e->message_zh, "%s", w->zh);
        (void)snprintf(e->remedy_en, sizeof e->remedy_en, "%s", w->fix_en);
        (void)snprintf(e->remedy_zh, sizeof e->remedy_zh, "%s", w->fix_zh);
    }
    return SH_E_INVAL;
}

static bool is_digit(char ch)
{
    return ch >= '0' && ch <= '9';
}

static char lower(char ch)
{
    return ch >= 'A' && ch <= 'Z' ? (char)(ch + ('a' - 'A')) : ch;
}

/* Digits at the cursor; their number in *n_digits, their value (stops growing above 10 million). */
static uint32_t digits(struct cur *c, size_t *n_digits)
{
    uint32_t v = 0;
    const size_t from = c->i;
    while (c->i < c->all.n && is_digit(c->all.p[c->i])) {
        if (v < 10000000) {
            v = v * 10 + (uint32_t)(c->all.p[c->i] - '0');
        }
        c->i++;
    }
    *n_digits = c->i - from;
    return v;
}

static bool area_of_digit(char ch, uint8_t *area)
{
    for (size_t i = 0; i < sizeof area_digit; i++) {
        if (area_digit[i] == ch) {
            *area = (uint8_t)i;
            return true;
        }
    }
    return false;
}

/* The part of the text up to the next '.' or ':'. */
static size_t word_end(const struct cur *c)
{
    size_t i = c->i;
    while (i < c->all.n && c->all.p[i] != ':' && c->all.p[i] != '.') {
        i++;
    }
    return i;
}

static sh_err parse_place(struct cur *c, struct mb_addr *a)
{
    const size_t end = word_end(c);
    size_t n = 0;
    uint32_t v = 0;
    uint32_t base = 1;
    if (c->all.n == 0) {
        return refuse(c, 0, 0, &w_place);
    }
    const char first = lower(c->all.p[0]);
    static const char letters[] = {'c', 'd', 'i', 'h'}; /* in the order of enum mb_area */
    const char *letter = memchr(letters, first, sizeof letters);
    if (letter != NULL) {
        a->area = (uint8_t)(letter - letters);
        c->i = 1;
        v = digits(c, &n);
        base = 0;
    } else if (area_of_digit(first, &a->area) && end > 1 && lower(c->all.p[1]) == 'x') {
        c->i = 2;
        v = digits(c, &n);
    } else if (area_of_digit(first, &a->area) && (end == 5 || end == 6)) {
        c->i = 1;
        v = digits(c, &n);
    }
    if (n == 0 || c->i != end) {
        return refuse(c, 0, end, &w_place);
    }
    if (v < base) {
        return refuse(c, 0, end, &w_zero);
    }
    if (v - base > 0xffff) {
        return refuse(c, 0, end, &w_range);
    }
    a->at = (uint16_t)(v - base);
    return SH_OK;
}

static sh_err parse_bit(struct cur *c, struct mb_addr *a)
{
    const size_t from = ++c->i; /* behind the dot */
    size_t n = 0;
    const uint32_t v = digits(c, &n);
    const size_t end = word_end(c);
    if (a->area == MB_COIL || a->area == MB_DISCRETE) {
        return refuse(c, from - 1, end, &w_bit_area);
    }
    if (n == 0 || n > 2 || v > 15 || c->i != end) {
        return refuse(c, from, end, &w_bit);
    }
    a->bit = (uint8_t)v;
    return SH_OK;
}

static sh_err set_string(const struct cur *c, struct sh_str w, struct mb_addr *a)
{
    const struct sh_str num = sh_str_sub(w, 6, w.n);
    struct cur d = {.all = num};
    size_t n = 0;
    const uint32_t v = digits(&d, &n);
    if (n == 0 || n > 3 || d.i != num.n || v == 0 || v > MB_STRING_MAX) {
        return refuse(c, c->i, c->i + w.n, &w_length);
    }
    a->type = MB_STRING;
    a->text_size = (uint8_t)v;
    a->count = (uint16_t)((v + 1) / 2);
    a->order = MB_ABCD; /* the device's word order is about numbers */
    return SH_OK;
}

static sh_err parse_type(struct cur *c, struct mb_addr *a)
{
    c->i++; /* behind the colon */
    const size_t end = word_end(c);
    const struct sh_str w = sh_str_sub(c->all, c->i, end);
    const bool bits = a->area == MB_COIL || a->area == MB_DISCRETE || a->bit != MB_NO_BIT;
    const struct type_row *row = NULL;
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        if (sh_str_ieq(w, sh_str_c(types[i].name))) {
            row = &types[i];
        }
    }
    const bool string = w.n >= 6 && sh_str_ieq(sh_str_sub(w, 0, 6), SH_STR("string"));
    if (row == NULL && !string) {
        return refuse(c, c->i, end, &w_type);
    }
    if (bits && (row == NULL || row->type != MB_BOOL)) {
        return refuse(c, c->i, end, &w_type_area);
    }
    if (row == NULL) {
        SH_TRY(set_string(c, w, a));
    } else if (!bits && row->type == MB_BOOL) {
        return refuse(c, c->i, end, &w_type_bool);
    } else {
        a->type = row->type;
        a->count = row->regs;
    }
    c->i = end;
    return SH_OK;
}

sh_err mb_order_parse(struct sh_str s, enum mb_order *out)
{
    for (size_t i = 0; i < 4; i++) {
        if (sh_str_ieq(s, sh_str_c(order_names[i]))) {
            *out = (enum mb_order)i;
            return SH_OK;
        }
    }
    return SH_E_INVAL;
}

static bool set_order(struct sh_str w, struct mb_addr *a)
{
    enum mb_order o = MB_ABCD;
    if (a->count == 1 || a->type == MB_STRING) { /* only the bytes of a register can change place */
        if (sh_str_ieq(w, SH_STR("ab"))) {
            a->order = MB_ABCD;
            return true;
        }
        if (sh_str_ieq(w, SH_STR("ba"))) {
            a->order = MB_BADC;
            return true;
        }
    }
    if (mb_order_parse(w, &o) != SH_OK) {
        return false;
    }
    a->order = (uint8_t)o;
    return true;
}

static sh_err parse_option(struct cur *c, struct mb_addr *a)
{
    c->i++;
    const size_t end = word_end(c);
    const struct sh_str w = sh_str_sub(c->all, c->i, end);
    if (a->type == MB_STRING && sh_str_ieq(w, SH_STR("gbk"))) {
        a->text = MB_GBK;
    } else if (a->type == MB_STRING && sh_str_ieq(w, SH_STR("utf8"))) {
        a->text = MB_UTF8;
    } else if (a->type == MB_BOOL || !set_order(w, a)) {
        return refuse(c, c->i, end, &w_option);
    }
    c->i = end;
    return SH_OK;
}

/* One register and strings know two byte orders only; cdab and dcba move words, of which a register
 * has one. A bit number counts in the register as it is on the wire. */
static void normalise(struct mb_addr *a)
{
    if (a->type == MB_BOOL) {
        a->order = MB_ABCD;
    } else if (a->count == 1 || a->type == MB_STRING) {
        a->order = a->order == MB_ABCD || a->order == MB_CDAB ? MB_ABCD : MB_BADC;
    }
}

sh_err mb_addr_parse(struct sh_str s, enum mb_order order, struct mb_addr *out,
                     struct sh_drv_addr_error *why)
{
    struct cur c = {.all = s, .why = why};
    struct mb_addr a = {.count = 1, .order = (uint8_t)order, .bit = MB_NO_BIT};
    SH_TRY(parse_place(&c, &a));
    const bool registers = a.area == MB_INPUT || a.area == MB_HOLDING;
    if (c.i < s.n && s.p[c.i] == '.') {
        SH_TRY(parse_bit(&c, &a));
    }
    a.type = registers && a.bit == MB_NO_BIT ? MB_UINT16 : MB_BOOL;
    if (c.i < s.n && s.p[c.i] == ':') {
        SH_TRY(parse_type(&c, &a));
    }
    for (int i = 0; i < 2 && c.i < s.n && s.p[c.i] == ':'; i++) {
        SH_TRY(parse_option(&c, &a));
    }
    if (c.i != s.n) {
        return refuse(&c, c.i, s.n, &w_end);
    }
    if ((uint32_t)a.at + a.count > 0x10000) {
        return refuse(&c, 0, s.n, &w_range);
    }
    normalise(&a);
    *out = a;
    return SH_OK;
}

void mb_addr_print(const struct mb_addr *a, char out[64])
{
    const char *order = "";
    char type[24] = "";
    char bit[8] = "";
    if (a->bit != MB_NO_BIT) {
        (void)snprintf(bit, sizeof bit, ".%u", a->bit);
    }
    if (a->type == MB_STRING) {
        (void)snprintf(type, sizeof type, ":string%u%s", a->text_size,
                       a->text == MB_GBK ? ":gbk" : "");
        order = a->order == MB_BADC ? ":ba" : ":ab";
    } else if (a->type != MB_BOOL) {
        (void)snprintf(type, sizeof type, ":%s", types[a->type].name);
        order = a->count > 1 ? order_names[a->order] : a->order == MB_BADC ? "ba" : "ab";
    }
    (void)snprintf(out, 64, "%cx%u%s%s%s%s", area_digit[a->area], a->at + 1U, bit, type,
                   order[0] != '\0' && order[0] != ':' ? ":" : "", order);
}

enum sh_type mb_addr_value_type(const struct mb_addr *a)
{
    switch ((enum mb_type)a->type) {
    case MB_BOOL:
        return SH_T_BOOL;
    case MB_FLOAT32:
    case MB_FLOAT64:
        return SH_T_F64;
    case MB_STRING:
        return SH_T_TEXT;
    case MB_INT16:
    case MB_UINT16:
    case MB_INT32:
    case MB_UINT32:
    case MB_INT64:
    case MB_UINT64:
    case MB_BCD16:
    case MB_BCD32:
        break;
    }
    return SH_T_I64;
}

bool mb_addr_writable(const struct mb_addr *a)
{
    return a->area == MB_COIL || a->area == MB_HOLDING;
}
