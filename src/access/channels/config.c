/* config.c - the JSON form of a channel.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/channels.h>

enum { IMEI_DIGITS = 15 };

static sh_err bad(struct sh_diag *diag, const char *path, const char *message, const char *remedy)
{
    sh_diag_at(diag, sh_str_c(path), 0);
    sh_diag_set(diag, "%s", message);
    sh_diag_remedy(diag, "%s", remedy);
    return SH_E_INVAL;
}

static sh_err get_ms(const json_t *o, const char *key, uint32_t *out, struct sh_diag *diag)
{
    const json_t *v = json_object_get(o, key);
    *out = 0;
    if (v == NULL) {
        return SH_OK;
    }
    const int64_t ms = json_is_integer(v) ? json_integer_value(v) : -1;
    if (ms < 10 || ms > 86400000) {
        return bad(diag, key, "a time in milliseconds from 10 to 86400000 is needed",
                   "Leave it out to get the default.");
    }
    *out = (uint32_t)ms;
    return SH_OK;
}

static sh_err hex_bytes(struct sh_str text, struct sh_arena *ar, struct sh_bytes *out)
{
    uint8_t *b = sh_arena_get(ar, text.n / 2 + 1);
    if (b == NULL) {
        return SH_E_NOMEM;
    }
    size_t n = 0;
    unsigned half = 0;
    bool high = true;
    for (size_t i = 0; i < text.n; i++) {
        const char c = text.p[i];
        unsigned d = 0;
        if (c == ' ') {
            continue;
        }
        if (c >= '0' && c <= '9') {
            d = (unsigned)(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            d = (unsigned)(c - 'a') + 10;
        } else if (c >= 'A' && c <= 'F') {
            d = (unsigned)(c - 'A') + 10;
        } else {
            return SH_E_INVAL;
        }
        if (high) {
            half = d;
        } else {
            b[n++] = (uint8_t)(half << 4 | d);
        }
        high = !high;
    }
    if (!high) {
        return SH_E_INVAL;
    }
    *out = (struct sh_bytes){b, n};
    return SH_OK;
}

static bool is_imei(struct sh_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return false;
        }
    }
    return s.n == IMEI_DIGITS;
}

/* {"kind","value"} of a registration or heart-beat packet. */
static sh_err get_packet(const json_t *config, const char *key, struct sh_arena *ar,
                         struct sh_bytes *out, struct sh_diag *diag)
{
    const json_t *o = json_object_get(config, key);
    *out = (struct sh_bytes){NULL, 0};
    if (o == NULL || json_is_null(o)) {
        return SH_OK;
    }
    const struct sh_str kind = sh_json_get_str(o, "kind");
    const struct sh_str value = sh_json_get_str(o, "value");
    if (sh_str_eqc(kind, "ascii")) {
        *out = sh_str_bytes(value);
    } else if (sh_str_eqc(kind, "imei")) {
        if (!is_imei(value)) {
            return bad(diag, key, "an IMEI has 15 digits", "Copy it from the DTU's label.");
        }
        *out = sh_str_bytes(value);
    } else if (sh_str_eqc(kind, "hex")) {
        const sh_err err = hex_bytes(value, ar, out);
        if (err == SH_E_NOMEM) {
            return err;
        }
        if (err != SH_OK) {
            return bad(diag, key, "this is not hexadecimal", "Write pairs of digits: 7E 01 02.");
        }
    } else {
        return bad(diag, key, "kind must be ascii, hex or imei",
                   "Write {\"kind\":\"ascii\",\"value\":\"DTU001\"}.");
    }
    if (out->n == 0 || out->n > SH_CHANNEL_REG_MAX) {
        return bad(diag, key, "a packet of 1 to 64 bytes is needed",
                   "Leave it out if there is none.");
    }
    return SH_OK;
}

static sh_err get_config(const json_t *config, struct sh_arena *ar, struct sh_channel_config *c,
                         struct sh_diag *diag)
{
    if (!json_is_object(config)) {
        return bad(diag, "config", "config must be an object", "Write {\"address\":\"host:502\"}.");
    }
    const struct sh_str mode = sh_json_get_str(config, "mode");
    if (mode.n != 0 && !sh_str_eqc(mode, "dial") && !sh_str_eqc(mode, "listen")) {
        return bad(diag, "config/mode", "mode must be dial or listen",
                   "Use listen for a DTU that connects to us.");
    }
    c->mode = sh_str_eqc(mode, "listen") ? SH_CHANNEL_LISTEN : SH_CHANNEL_DIAL;
    c->address = sh_json_get_str(config, "address");
    if (sh_str_find(c->address, ':') == SIZE_MAX) {
        return bad(diag, "config/address", "address must be host:port",
                   "Write 192.168.1.10:502, or 0.0.0.0:5020 to listen.");
    }
    SH_TRY(get_packet(config, "registration", ar, &c->registration, diag));
    SH_TRY(get_packet(config, "heartbeat", ar, &c->heartbeat, diag));
    SH_TRY(get_ms(config, "connect_timeout_ms", &c->connect_timeout_ms, diag));
    SH_TRY(get_ms(config, "backoff_min_ms", &c->backoff_min_ms, diag));
    SH_TRY(get_ms(config, "backoff_max_ms", &c->backoff_max_ms, diag));
    c->options = json_object_get(config, "options");
    return SH_OK;
}

static sh_err get_tags(const json_t *device, uint32_t index, struct sh_channel_tag *tags,
                       uint32_t *n_tags, struct sh_diag *diag)
{
    size_t i = 0;
    const json_t *t = NULL;
    json_array_foreach(json_object_get(device, "tags"), i, t)
    {
        struct sh_channel_tag *tag = &tags[*n_tags];
        *tag = (struct sh_channel_tag){.property = sh_json_get_str(t, "property"),
                                       .address = sh_json_get_str(t, "address"),
                                       .device = index};
        if (tag->property.n == 0 || tag->address.n == 0) {
            return bad(diag, "devices/tags", "a tag needs property and address",
                       "Write {\"property\":\"flow\",\"address\":\"3x1:float32\"}.");
        }
        SH_TRY(get_ms(t, "period_ms", &tag->period_ms, diag));
        (*n_tags)++;
    }
    return SH_OK;
}

static sh_err get_devices(const json_t *list, struct sh_arena *ar, struct sh_channel_config *c,
                          struct sh_diag *diag)
{
    size_t i = 0;
    const json_t *d = NULL;
    size_t n_tags = 0;
    const size_t n = json_array_size(list);
    json_array_foreach(list, i, d)
    {
        n_tags += json_array_size(json_object_get(d, "tags"));
    }
    if (n > SH_DRV_MAX_DEVICES || n_tags > SH_DRV_MAX_TAGS) {
        (void)bad(diag, "devices", "too many devices or tags for one channel",
                  "Spread them over several channels.");
        return SH_E_LIMIT;
    }
    struct sh_channel_device *devices = sh_arena_array(ar, n + 1, sizeof *devices);
    struct sh_channel_tag *tags = sh_arena_array(ar, n_tags + 1, sizeof *tags);
    if (devices == NULL || tags == NULL) {
        return SH_E_NOMEM;
    }
    json_array_foreach(list, i, d)
    {
        devices[i] = (struct sh_channel_device){.id = sh_json_get_str(d, "device"),
                                                .config = json_object_get(d, "config")};
        if (devices[i].id.n == 0) {
            return bad(diag, "devices/device", "a device needs its id", "Name it in \"device\".");
        }
        SH_TRY(get_ms(d, "period_ms", &devices[i].period_ms, diag));
        SH_TRY(get_tags(d, (uint32_t)i, tags, &c->n_tags, diag));
    }
    c->devices = devices;
    c->tags = tags;
    c->n_devices = (uint32_t)n;
    return SH_OK;
}

sh_err sh_channel_config_parse(const json_t *doc, struct sh_arena *arena,
                               struct sh_channel_config *out, struct sh_diag *diag)
{
    struct sh_channel_config c = {.id = sh_json_get_str(doc, "id"),
                                  .driver = sh_json_get_str(doc, "driver"),
                                  .enabled = sh_json_get_bool(doc, "enabled", true)};
    if (c.id.n == 0 || c.driver.n == 0) {
        return bad(diag, c.id.n == 0 ? "id" : "driver", "a channel needs id and driver",
                   "Write {\"id\":\"line-1\",\"driver\":\"modbus\",...}.");
    }
    SH_TRY(get_config(json_object_get(doc, "config"), arena, &c, diag));
    SH_TRY(get_devices(json_object_get(doc, "devices"), arena, &c, diag));
    *out = c;
    return SH_OK;
}
