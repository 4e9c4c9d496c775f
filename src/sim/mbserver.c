/* mbserver.c - see mbserver.h.
 * SPDX-License-Identifier: Apache-2.0 */
#include "mbserver.h"

enum { REGS = 64, BITS = 16, HOLDING = 16, EX_FUNCTION = 1, EX_ADDRESS = 2, EX_VALUE = 3 };

/* ---- the register map ---- */

static void put_f32(uint8_t *image, unsigned number, double v)
{
    const float f = (float)v;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    sh_put_be32(image + (size_t)(number - 1) * 2, bits);
}

static unsigned status_word(const struct water *w)
{
    return (w->speed > 0.02 ? 1U : 0U) | (w->automatic ? 2U : 0U) | (w->tripped ? 4U : 0U) |
           (w->level_shown_m < 0.5 ? 8U : 0U) | (w->level_shown_m > 3.5 ? 16U : 0U);
}

static void water_image(const struct water *w, uint8_t image[REGS * 2])
{
    static const char name[] = "SH-DEMO P-101";
    const double rows[] = {w->flow_m3h,      w->discharge_bar, w->suction_bar,   w->head_m,
                           w->speed * 100.0, w->current_a,     w->power_kw,      w->motor_c,
                           w->bearing_c,     w->vibration_mms, w->level_shown_m, w->sump_level_m,
                           w->valve * 100.0, w->return_m3h,    w->run_h,         w->leaked_m3};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_f32(image, 1 + 2 * i, rows[i]);
    }
    sh_put_be16(image + 80, (uint16_t)status_word(w));
    const double raw = w->level_shown_m * 27648.0 / 4.0;
    sh_put_be16(image + 82, (uint16_t)(int16_t)(raw < -1000.0   ? -1000.0
                                                : raw > 32511.0 ? 32511.0
                                                                : raw));
    memcpy(image + 100, name, sizeof name - 1);
}

static void meter_image(const struct meter *m, uint8_t image[REGS * 2])
{
    const double rows[] = {m->voltage_v,    m->current_a,    m->power_kw, m->reactive_kvar,
                           m->power_factor, m->frequency_hz, m->peak_kw};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        put_f32(image, 1 + 2 * i, rows[i]);
    }
    sh_put_be32(image + 40, (uint32_t)(uint64_t)(m->energy_kwh * 100.0));
    sh_put_be64(image + 48, sh_f64_bits(m->energy_kwh));
}

static void holding_image(const struct water *w, uint8_t image[HOLDING * 2])
{
    sh_put_be16(image, (uint16_t)(w->speed_set * 1000.0 + 0.5));
    sh_put_be16(image + 2, (uint16_t)(w->valve_set * 1000.0 + 0.5));
    sh_put_be16(image + 4, (uint16_t)(w->level_set_m * 1000.0 + 0.5));
    put_f32(image, 5, w->demand);
}

static bool get_bit(const struct plant *p, bool coils, unsigned at)
{
    const struct water *w = &p->water;
    if (!coils) {
        static const unsigned bit_of[] = {0, 2, 3, 4};
        return at < 4 && (status_word(w) >> bit_of[at] & 1) != 0;
    }
    if (at < 2) {
        return at == 0 ? w->run : w->automatic;
    }
    return at >= 10 && at < 10 + PLANT_FAULTS && p->fault[at - 10];
}

static bool set_bit(struct plant *p, unsigned at, bool on)
{
    if (at == 0) {
        p->water.run = on;
    } else if (at == 1) {
        p->water.automatic = on;
    } else if (at == 2) {
        if (on) {
            plant_reset_trip(p);
        }
    } else if (at >= 10 && at < 10 + PLANT_FAULTS) {
        plant_set_fault(p, (enum plant_fault)(at - 10), on);
    } else {
        return at < BITS; /* a spare coil: taken, does nothing */
    }
    return true;
}

/* Takes a whole image of the holding registers; false when a value is out of range. */
static bool set_holding(struct water *w, const uint8_t image[HOLDING * 2])
{
    const uint32_t bits = sh_be32(image + 8);
    float demand;
    memcpy(&demand, &bits, sizeof demand);
    if (sh_be16(image) > 1000 || sh_be16(image + 2) > 1000 || sh_be16(image + 4) > 4000 ||
        !(demand >= 0.0F && demand <= 2.0F)) {
        return false;
    }
    w->speed_set = sh_be16(image) / 1000.0;
    w->valve_set = sh_be16(image + 2) / 1000.0;
    w->level_set_m = sh_be16(image + 4) / 1000.0;
    w->demand = (double)demand;
    return true;
}

/* ---- the functions; each returns an exception code or 0 ---- */

struct pdu {
    uint8_t b[256];
    size_t n;
};

static int read_bits(const struct plant *p, uint8_t unit, struct sh_bytes rq, struct pdu *re)
{
    if (rq.n != 5) {
        return EX_VALUE;
    }
    const unsigned at = sh_be16(rq.p + 1);
    const unsigned count = sh_be16(rq.p + 3);
    if (count == 0 || count > 2000) {
        return EX_VALUE;
    }
    if (unit != 1 || at + count > BITS) {
        return EX_ADDRESS;
    }
    re->b[1] = (uint8_t)((count + 7) / 8);
    memset(re->b + 2, 0, re->b[1]);
    for (unsigned i = 0; i < count; i++) {
        re->b[2 + i / 8] |= (uint8_t)((get_bit(p, rq.p[0] == 1, at + i) ? 1U : 0U) << (i % 8));
    }
    re->n = 2 + (size_t)re->b[1];
    return 0;
}

static int read_regs(const struct plant *p, uint8_t unit, struct sh_bytes rq, struct pdu *re)
{
    uint8_t image[REGS * 2] = {0};
    size_t regs = REGS;
    if (rq.n != 5) {
        return EX_VALUE;
    }
    const size_t at = sh_be16(rq.p + 1);
    const size_t count = sh_be16(rq.p + 3);
    if (count == 0 || count > 125) {
        return EX_VALUE;
    }
    if (unit == 1 && rq.p[0] == 3) {
        holding_image(&p->water, image);
        regs = HOLDING;
    } else if (unit == 1) {
        water_image(&p->water, image);
    } else if (unit >= 11 && unit < 11 + PLANT_METERS && rq.p[0] == 4) {
        meter_image(&p->meter[unit - 11], image);
    } else {
        return EX_ADDRESS;
    }
    if (at + count > regs) {
        return EX_ADDRESS;
    }
    re->b[1] = (uint8_t)(count * 2);
    memcpy(re->b + 2, image + at * 2, count * 2);
    re->n = 2 + count * 2;
    return 0;
}

static int write_bits(struct plant *p, uint8_t unit, struct sh_bytes rq, struct pdu *re)
{
    if (rq.n < 5) {
        return EX_VALUE;
    }
    const unsigned at = sh_be16(rq.p + 1);
    const unsigned v = sh_be16(rq.p + 3);
    const bool single = rq.p[0] == 5;
    const unsigned count = single ? 1 : v;
    if (single ? rq.n != 5 || (v != 0 && v != 0xff00)
               : rq.n < 6 || count == 0 || count > 1968 || rq.p[5] != (count + 7) / 8 ||
                     rq.n != 6 + (size_t)rq.p[5]) {
        return EX_VALUE;
    }
    if (unit != 1 || at + count > BITS) {
        return EX_ADDRESS;
    }
    for (unsigned i = 0; i < count; i++) {
        (void)set_bit(p, at + i, single ? v != 0 : (rq.p[6 + i / 8] >> (i % 8) & 1) != 0);
    }
    memcpy(re->b + 1, rq.p + 1, 4);
    re->n = 5;
    return 0;
}

static int write_regs(struct plant *p, uint8_t unit, struct sh_bytes rq, struct pdu *re)
{
    uint8_t image[HOLDING * 2] = {0};
    if (rq.n < 5) {
        return EX_VALUE;
    }
    const size_t at = sh_be16(rq.p + 1);
    size_t count = 1;
    const uint8_t *data = rq.p + 3;
    if (rq.p[0] == 16) {
        count = sh_be16(rq.p + 3);
        if (rq.n < 6 || count == 0 || count > 123 || rq.p[5] != count * 2 ||
            rq.n != 6 + count * 2) {
            return EX_VALUE;
        }
        data = rq.p + 6;
    } else if (rq.n != 5) {
        return EX_VALUE;
    }
    if (unit != 1 || at + count > HOLDING) {
        return EX_ADDRESS;
    }
    holding_image(&p->water, image);
    memcpy(image + at * 2, data, count * 2);
    if (!set_holding(&p->water, image)) {
        return EX_VALUE;
    }
    memcpy(re->b + 1, rq.p + 1, 4);
    re->n = 5;
    return 0;
}

static int mask_reg(struct plant *p, uint8_t unit, struct sh_bytes rq, struct pdu *re)
{
    uint8_t image[HOLDING * 2] = {0};
    if (rq.n != 7) {
        return EX_VALUE;
    }
    const size_t at = sh_be16(rq.p + 1);
    if (unit != 1 || at >= HOLDING) {
        return EX_ADDRESS;
    }
    holding_image(&p->water, image);
    const unsigned and_mask = sh_be16(rq.p + 3);
    const unsigned v = (sh_be16(image + at * 2) & and_mask) | (sh_be16(rq.p + 5) & ~and_mask);
    sh_put_be16(image + at * 2, (uint16_t)v);
    if (!set_holding(&p->water, image)) {
        return EX_VALUE;
    }
    memcpy(re->b + 1, rq.p + 1, 6);
    re->n = 7;
    return 0;
}

static void serve_pdu(struct plant *p, uint8_t unit, struct sh_bytes rq, struct pdu *re)
{
    int exception = EX_FUNCTION;
    re->b[0] = rq.p[0];
    switch (rq.p[0]) {
    case 1:
    case 2:
        exception = read_bits(p, unit, rq, re);
        break;
    case 3:
    case 4:
        exception = read_regs(p, unit, rq, re);
        break;
    case 5:
    case 15:
        exception = write_bits(p, unit, rq, re);
        break;
    case 6:
    case 16:
        exception = write_regs(p, unit, rq, re);
        break;
    case 22:
        exception = mask_reg(p, unit, rq, re);
        break;
    default:
        break;
    }
    if (exception != 0) {
        re->b[0] = (uint8_t)(rq.p[0] | 0x80);
        re->b[1] = (uint8_t)exception;
        re->n = 2;
    }
}

sh_err mbs_serve(struct plant *p, struct sh_bytes in, size_t *used, uint8_t out[MBS_FRAME],
                 size_t *n_out)
{
    if (in.n < 8) {
        return SH_E_AGAIN;
    }
    const size_t len = sh_be16(in.p + 4);
    if (sh_be16(in.p + 2) != 0 || len < 2 || len > 254) {
        return SH_E_PROTO;
    }
    if (in.n < 6 + len) {
        return SH_E_AGAIN;
    }
    struct pdu re = {.n = 0};
    serve_pdu(p, in.p[6], (struct sh_bytes){in.p + 7, len - 1}, &re);
    memcpy(out, in.p, 7);
    sh_put_be16(out + 4, (uint16_t)(re.n + 1));
    memcpy(out + 7, re.b, re.n);
    *used = 6 + len;
    *n_out = 7 + re.n;
    return SH_OK;
}
