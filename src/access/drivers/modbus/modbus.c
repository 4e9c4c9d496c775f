/* modbus.c - the Modbus driver: glues plan, frames and values to the poller.
 *
 * Invariants:
 *  1. A flight carries all that is needed to recognise its reply (note: unit, function, address;
 * note2: count or echoed value), so that a new plan never breaks a request in flight.
 *  2. Samples of an exception are sent when they are news: when the point's last sample did not say
 *     the same. A request that stays without any answer, and a new connection, make all news again.
 *  3. A group that the device refuses with exception 02 or 03 is asked point by point from then on
 *     (solo), so that one wrong address does not take its neighbours along.
 *  4. A write is sent only to a device whose plan says writable.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/modbus.h>

#include "mb_plan.h"
#include "mb_value.h"

struct modbus {
    const struct sh_alloc *alloc;
    struct mb_channel ch;
    struct mb_plan plan;
    struct sh_poller poller;
    struct sh_buf text;
};

static uint8_t read_function(uint8_t area)
{
    static const uint8_t fc[] = {[MB_COIL] = MB_FC_READ_COILS,
                                 [MB_DISCRETE] = MB_FC_READ_DISCRETES,
                                 [MB_INPUT] = MB_FC_READ_INPUT,
                                 [MB_HOLDING] = MB_FC_READ_HOLDING};
    return fc[area];
}

static void note(struct sh_poll_flight *f, const struct mb_expect *e)
{
    f->note = (uint32_t)e->unit << 24 | (uint32_t)e->fc << 16 | e->at;
    f->note2 = e->count;
}

static struct mb_expect noted(const struct sh_poll_flight *f)
{
    return (struct mb_expect){.unit = (uint8_t)(f->note >> 24),
                              .fc = (uint8_t)(f->note >> 16),
                              .at = (uint16_t)f->note,
                              .count = (uint16_t)f->note2};
}

/* The points that the next request of a group fetches. */
static void group_range(const struct mb_group *g, uint32_t *first, uint32_t *n)
{
    *first = g->solo ? g->first + g->cursor : g->first;
    *n = g->solo ? 1 : g->n;
}

/* One PDU under construction. */
struct pdu {
    uint8_t b[MB_PDU_MAX];
    size_t n;
};

static void read_request(struct modbus *m, const struct sh_poll_flight *f, struct mb_expect *e,
                         struct pdu *pdu)
{
    struct mb_group *g = &m->plan.groups[f->group];
    uint32_t first = 0;
    uint32_t n = 0;
    group_range(g, &first, &n);
    if (g->asked) { /* no answer last time: whatever comes next is news */
        for (uint32_t i = 0; i < g->n; i++) {
            m->plan.points[g->first + i].fault = 0;
        }
    }
    const struct mb_addr *a = &m->plan.points[first].addr;
    *e = (struct mb_expect){.unit = m->plan.devs[g->device].unit,
                            .fc = read_function(g->area),
                            .at = g->solo ? a->at : g->at,
                            .count = g->solo ? a->count : g->count};
    pdu->n = mb_pdu_read(e->fc, e->at, e->count, pdu->b);
}

static sh_err write_request(struct modbus *m, const struct sh_poll_flight *f, struct mb_expect *e,
                            struct pdu *pdu, const char **words)
{
    const struct sh_poll_write *w = &f->write;
    const struct mb_point *pt = &m->plan.points[m->plan.point_of_tag[w->tag]];
    const struct mb_addr *a = &pt->addr;
    const struct mb_dev *d = &m->plan.devs[pt->device];
    uint8_t regs[MB_STRING_MAX];
    bool on = false;
    *words = "a coil or a holding register is needed: this area is read-only in Modbus";
    if (!mb_addr_writable(a)) {
        return SH_E_INVAL;
    }
    if (a->type == MB_BOOL) {
        SH_TRY(mb_bool_put(w->type, w->value, &on, words));
    } else if (a->type == MB_STRING) {
        *words = "a text is needed";
        if (w->type != SH_T_TEXT) {
            return SH_E_INVAL;
        }
        SH_TRY(mb_text_put(a, (struct sh_bytes){w->text, w->text_len}, m->alloc, regs, words));
    } else {
        SH_TRY(mb_value_put(a, w->type, w->value, regs, words));
    }
    if (a->area == MB_COIL) {
        pdu->n = mb_pdu_write_coil(a->at, on, d->multiple_only, pdu->b);
    } else if (a->type == MB_BOOL) { /* result = (current AND and) OR (or AND NOT and), 6.16 */
        const uint16_t bit = (uint16_t)(1U << a->bit);
        pdu->n = mb_pdu_mask(a->at, (uint16_t)~bit, on ? bit : 0, pdu->b);
    } else {
        pdu->n = mb_pdu_write_regs(a->at, (struct sh_bytes){regs, (size_t)a->count * 2},
                                   d->multiple_only, pdu->b);
    }
    *e = (struct mb_expect){
        .unit = d->unit, .fc = pdu->b[0], .at = a->at, .count = sh_be16(pdu->b + 3)};
    *words = NULL;
    return SH_OK;
}

static sh_err request(void *self, struct sh_poll_flight *f, struct sh_drv_out *out,
                      const char **words)
{
    struct modbus *m = self;
    struct mb_expect e = {0};
    struct pdu pdu = {.n = 0};
    uint8_t adu[MB_ADU_MAX];
    if (f->is_write) {
        SH_TRY(write_request(m, f, &e, &pdu, words));
    } else {
        read_request(m, f, &e, &pdu);
    }
    const size_t n = mb_frame_put((enum mb_framing)m->ch.framing, f->txn, e.unit,
                                  (struct sh_bytes){pdu.b, pdu.n}, adu);
    SH_TRY(sh_drv_out_bytes(out, adu, n));
    note(f, &e);
    if (!f->is_write) {
        m->plan.groups[f->group].asked = true;
    }
    return SH_OK;
}

/* Appends the good samples of the points that this reply holds. */
static sh_err deliver(struct modbus *m, uint32_t first, uint32_t n, const struct mb_expect *e,
                      struct sh_bytes data, struct sh_drv_out *out)
{
    for (uint32_t i = first; i < first + n; i++) {
        struct mb_point *pt = &m->plan.points[i];
        const uint32_t off = (uint32_t)pt->addr.at - e->at;
        const uint8_t *words = data.p + (size_t)off * 2;
        pt->fault = 0;
        if (pt->addr.area == MB_COIL || pt->addr.area == MB_DISCRETE) {
            const union sh_cell c = {.bits = mb_bit(data, off)};
            SH_TRY(sh_drv_out_sample(out, pt->tag, 0, SH_T_BOOL, c, SH_Q_GOOD));
        } else if (pt->addr.type == MB_STRING) {
            const uint8_t q = mb_text_get(&pt->addr, words, &m->text);
            SH_TRY(sh_drv_out_text(out, pt->tag, 0, SH_T_TEXT, sh_buf_bytes(&m->text), q));
        } else {
            const struct mb_value v = mb_value_get(&pt->addr, words);
            SH_TRY(sh_drv_out_sample(out, pt->tag, 0, mb_addr_value_type(&pt->addr), v.cell,
                                     v.quality));
        }
    }
    return SH_OK;
}

static sh_err deliver_fault(struct modbus *m, uint32_t first, uint32_t n, uint8_t exception,
                            struct sh_drv_out *out)
{
    const uint8_t quality = mb_exception_of(exception)->quality;
    for (uint32_t i = first; i < first + n; i++) {
        struct mb_point *pt = &m->plan.points[i];
        if (pt->fault == exception) {
            continue;
        }
        const enum sh_type type = mb_addr_value_type(&pt->addr);
        if (type == SH_T_TEXT) {
            SH_TRY(sh_drv_out_text(out, pt->tag, 0, type, (struct sh_bytes){0}, quality));
        } else {
            SH_TRY(sh_drv_out_sample(out, pt->tag, 0, type, (union sh_cell){0}, quality));
        }
        pt->fault = exception;
    }
    return SH_OK;
}

static sh_err read_answered(struct modbus *m, const struct sh_poll_flight *f,
                            const struct mb_expect *e, uint8_t exception, struct sh_bytes data,
                            struct sh_poll_frame *fr, struct sh_drv_out *out)
{
    if (f->group == SH_POLL_NONE) {
        return SH_OK;
    }
    struct mb_group *g = &m->plan.groups[f->group];
    uint32_t first = 0;
    uint32_t n = 0;
    group_range(g, &first, &n);
    g->asked = fr->result == SH_DRV_NO_ANSWER;
    if (fr->result == SH_DRV_REFUSED && !g->solo && g->n > 1 &&
        (exception == 2 || exception == 3)) {
        g->solo = true;
        g->cursor = 0;
        fr->again = true;
        return SH_OK;
    }
    if (fr->result == SH_DRV_DONE) {
        SH_TRY(deliver(m, first, n, e, data, out));
    } else if (fr->result == SH_DRV_REFUSED) {
        SH_TRY(deliver_fault(m, first, n, exception, out));
    }
    if (g->solo) {
        g->cursor = (g->cursor + 1) % g->n;
        fr->again = g->cursor != 0;
    }
    return SH_OK;
}

static sh_err use_reply(struct modbus *m, uint32_t slot, const struct sh_poll_flight *f,
                        struct sh_bytes pdu, struct sh_poll_frame *fr, struct sh_drv_out *out)
{
    const struct mb_expect e = noted(f);
    uint8_t exception = 0;
    struct sh_bytes data;
    fr->flight = slot;
    fr->result = mb_reply_check(pdu, &e, &exception, &data);
    if (fr->result == SH_DRV_REFUSED) {
        fr->code = mb_exception_of(exception)->code;
        fr->words = mb_exception_of(exception)->words;
        if (exception == 10 || exception == 11) { /* a gateway speaks for a device that is silent */
            fr->result = SH_DRV_NO_ANSWER;
        }
    } else if (fr->result == SH_DRV_GARBLED) {
        fr->code = "modbus_garbled";
        fr->words = "the reply is not an answer to what was asked";
    }
    if (!f->is_write) {
        return read_answered(m, f, &e, exception, data, fr, out);
    }
    if (f->write.tag != SH_POLL_NONE && fr->result == SH_DRV_DONE) {
        sh_poller_due(&m->poller, m->plan.points[m->plan.point_of_tag[f->write.tag]].group);
    }
    return SH_OK;
}

static sh_err reply_tcp(struct modbus *m, struct sh_bytes in, const struct sh_poll_flight *flights,
                        uint32_t n_flights, struct sh_poll_frame *fr, struct sh_drv_out *out)
{
    struct mb_adu adu;
    SH_TRY(mb_tcp_next(in, &adu));
    fr->used = adu.used;
    for (uint32_t i = 0; i < n_flights; i++) {
        if (flights[i].used && flights[i].txn == adu.txn) {
            return use_reply(m, i, &flights[i], adu.pdu, fr, out);
        }
    }
    return SH_OK;
}

static sh_err reply(void *self, struct sh_bytes in, const struct sh_poll_flight *flights,
                    uint32_t n_flights, struct sh_poll_frame *fr, struct sh_drv_out *out)
{
    struct modbus *m = self;
    if (m->ch.framing == MB_TCP) {
        return reply_tcp(m, in, flights, n_flights, fr, out);
    }
    struct mb_adu adu;
    const struct mb_expect want = noted(&flights[0]);
    SH_TRY(mb_rtu_next(in, flights[0].used ? &want : NULL, &adu));
    fr->used = adu.used;
    return adu.pdu.n == 0 ? SH_OK : use_reply(m, 0, &flights[0], adu.pdu, fr, out);
}

static const struct sh_poller_ops poller_ops = {.request = request, .reply = reply};

static void modbus_fini(void *self)
{
    struct modbus *m = self;
    sh_poller_fini(&m->poller);
    mb_plan_fini(&m->plan);
    sh_buf_fini(&m->text);
}

static sh_err modbus_init(void *self, const struct sh_alloc *alloc, const json_t *config,
                          const struct sh_drv_plan *plan, struct sh_diag *diag)
{
    struct modbus *m = self;
    *m = (struct modbus){.alloc = alloc};
    SH_TRY(mb_channel_parse(config, &m->ch, diag));
    sh_buf_init(&m->text, alloc, (size_t)MB_STRING_MAX * 2);
    const struct sh_poller_opts opts = {
        .max_in_flight = m->ch.max_in_flight,
        .timeout_ms = m->ch.timeout_ms,
        .gap_ms = m->ch.gap_ms,
        .sick_ms = m->ch.sick_ms,
        .quiet_ms = m->ch.framing == MB_RTU ? (m->ch.timeout_ms + 1) / 2 : 0,
        .dead_after = m->ch.dead_after,
        .max_input = MB_ADU_MAX,
    };
    sh_err err = sh_poller_init(&m->poller, &poller_ops, m, alloc, &opts);
    if (err == SH_OK) {
        err = mb_plan_init(&m->plan, alloc, plan, diag);
    }
    if (err == SH_OK) {
        err = sh_poller_plan(&m->poller, m->plan.polls, m->plan.n_groups, m->plan.n_devs, NULL);
    }
    if (err != SH_OK) {
        modbus_fini(m);
    }
    return err;
}

static sh_err new_plan(struct modbus *m, const struct sh_drv_plan *in, struct sh_drv_out *out)
{
    struct mb_plan next;
    SH_TRY(mb_plan_init(&next, m->alloc, in, NULL));
    const sh_err err = sh_poller_plan(&m->poller, next.polls, next.n_groups, next.n_devs, out);
    if (err != SH_OK) {
        mb_plan_fini(&next);
        return err;
    }
    mb_plan_fini(&m->plan);
    m->plan = next;
    return SH_OK;
}

/* A new connection: all is news, and a device that was repaired gets its groups back. */
static void forget(struct modbus *m)
{
    for (uint32_t i = 0; i < m->plan.n_points; i++) {
        m->plan.points[i].fault = 0;
    }
    for (uint32_t i = 0; i < m->plan.n_groups; i++) {
        m->plan.groups[i].solo = false;
        m->plan.groups[i].asked = false;
        m->plan.groups[i].cursor = 0;
    }
}

static sh_err modbus_step(void *self, int64_t now_us, const struct sh_drv_in *in,
                          struct sh_drv_out *out)
{
    struct modbus *m = self;
    if (in->event == SH_DRV_OPENED) {
        forget(m);
    } else if (in->event == SH_DRV_PLAN_NEW) {
        SH_TRY(new_plan(m, in->plan, out));
    } else if (in->event == SH_DRV_WRITE) {
        const struct sh_drv_write *w = in->write;
        if (w->tag >= m->plan.n_points) {
            sh_drv_out_write_result(out, w->id, SH_DRV_INVALID, "there is no such tag");
            return sh_poller_step(&m->poller, now_us, in, out);
        }
        const uint32_t device = m->plan.points[m->plan.point_of_tag[w->tag]].device;
        if (!m->plan.devs[device].writable) {
            sh_drv_out_write_result(out, w->id, SH_DRV_INVALID,
                                    "writing is not enabled for this device");
            return sh_poller_step(&m->poller, now_us, in, out);
        }
        return sh_poller_write(&m->poller, now_us, w, device, out);
    }
    return sh_poller_step(&m->poller, now_us, in, out);
}

static sh_err modbus_check_address(struct sh_str address, const json_t *device_config,
                                   struct sh_drv_address *out, struct sh_drv_addr_error *why)
{
    struct mb_dev d = {0};
    struct mb_addr a;
    if (mb_dev_parse(device_config, &d, NULL) != SH_OK) {
        d.order = MB_ABCD; /* the device's own form says what is wrong with it */
    }
    SH_TRY(mb_addr_parse(address, (enum mb_order)d.order, &a, why));
    if (out != NULL) {
        *out = (struct sh_drv_address){.type = mb_addr_value_type(&a),
                                       .writable = mb_addr_writable(&a)};
        mb_addr_print(&a, out->canonical);
    }
    return SH_OK;
}

/* The forms. "x-zh" is the Chinese title beside the English "title". */
static const char channel_schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"framing\":{\"title\":\"Frames\",\"x-zh\":\"帧格式\",\"enum\":[\"tcp\",\"rtu\"],"
    "\"default\":\"tcp\"},"
    "\"timeout_ms\":{\"title\":\"Time-out (ms)\",\"x-zh\":\"超时（毫秒）\",\"type\":\"integer\","
    "\"minimum\":10,\"maximum\":60000,\"default\":1000},"
    "\"max_in_flight\":{\"title\":\"Requests in flight\",\"x-zh\":\"并发请求数\","
    "\"type\":\"integer\",\"minimum\":1,\"maximum\":16,\"default\":1},"
    "\"gap_ms\":{\"title\":\"Pause between requests (ms)\",\"x-zh\":\"请求间隔（毫秒）\","
    "\"type\":\"integer\",\"minimum\":0,\"maximum\":10000,\"default\":0},"
    "\"retry_ms\":{\"title\":\"Ask a silent device every "
    "(ms)\",\"x-zh\":\"无应答设备重试间隔（毫秒）\","
    "\"type\":\"integer\",\"minimum\":100,\"maximum\":3600000,\"default\":10000},"
    "\"reconnect_after\":{\"title\":\"Reconnect after so many time-outs (0: never)\","
    "\"x-zh\":\"连续超时多少次后重连（0 为不重连）\",\"type\":\"integer\",\"minimum\":0,"
    "\"maximum\":1000}}}";
static const char device_schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"unit\":{\"title\":\"Unit (slave address)\",\"x-zh\":\"从站地址\",\"type\":\"integer\","
    "\"minimum\":0,\"maximum\":255,\"default\":1},"
    "\"word_order\":{\"title\":\"Word order\",\"x-zh\":\"字序\","
    "\"enum\":[\"abcd\",\"cdab\",\"badc\",\"dcba\"],\"default\":\"abcd\"},"
    "\"max_registers\":{\"title\":\"Registers per request\",\"x-zh\":\"每次请求最多寄存器数\","
    "\"type\":\"integer\",\"minimum\":1,\"maximum\":125,\"default\":125},"
    "\"max_coils\":{\"title\":\"Coils per request\",\"x-zh\":\"每次请求最多线圈数\","
    "\"type\":\"integer\",\"minimum\":1,\"maximum\":2000,\"default\":2000},"
    "\"gap\":{\"title\":\"Read through so many unused "
    "registers\",\"x-zh\":\"合并读取允许的空隙（寄存器）\","
    "\"type\":\"integer\",\"minimum\":0,\"maximum\":125,\"default\":8},"
    "\"gap_coils\":{\"title\":\"Read through so many unused "
    "coils\",\"x-zh\":\"合并读取允许的空隙（线圈）\","
    "\"type\":\"integer\",\"minimum\":0,\"maximum\":2000,\"default\":64},"
    "\"write_multiple\":{\"title\":\"Write by functions 15 and 16 only\","
    "\"x-zh\":\"只用功能码 15、16 写入\",\"type\":\"boolean\",\"default\":false}}}";
static const char point_schema[] =
    "{\"type\":\"object\",\"required\":[\"address\"],\"properties\":{"
    "\"address\":{\"title\":\"Address\",\"x-zh\":\"地址\",\"type\":\"string\",\"maxLength\":64,"
    "\"examples\":[\"40001\",\"3x100:float32:cdab\",\"4x10.3\",\"c0\",\"4x200:string20:gbk\"]}}}";

const struct sh_driver sh_driver_modbus = {
    .abi = SH_DRV_ABI,
    .inst_size = sizeof(struct modbus),
    .name = "modbus",
    .title_zh = "Modbus（TCP，RTU over TCP）",
    .title_en = "Modbus (TCP, RTU over TCP)",
    .channel_schema = channel_schema,
    .device_schema = device_schema,
    .point_schema = point_schema,
    .max_request_bytes = MB_ADU_MAX,
    .init = modbus_init,
    .step = modbus_step,
    .fini = modbus_fini,
    .check_address = modbus_check_address,
};
