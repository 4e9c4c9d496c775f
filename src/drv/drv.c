/* drv.c - the small functions through which a driver appends its output.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/drv.h>

#include <stdarg.h>
#include <stdio.h>

const char *sh_drv_result_name(enum sh_drv_result r)
{
    static const char *const names[] = {
        [SH_DRV_DONE] = "done",           [SH_DRV_REFUSED] = "refused",
        [SH_DRV_NO_ANSWER] = "no_answer", [SH_DRV_LOST] = "lost",
        [SH_DRV_NOT_SENT] = "not_sent",   [SH_DRV_INVALID] = "invalid",
        [SH_DRV_GARBLED] = "garbled",
    };
    if ((unsigned)r >= sizeof names / sizeof names[0]) {
        return "unknown";
    }
    return names[r];
}

sh_err sh_drv_out_bytes(struct sh_drv_out *out, const void *p, size_t n)
{
    return sh_buf_put(out->bytes, p, n);
}

sh_err sh_drv_out_sample(struct sh_drv_out *out, uint32_t tag, int64_t source_us, enum sh_type type,
                         union sh_cell value, uint8_t quality)
{
    source_us = source_us != 0 ? source_us : out->receipt_us;
    sh_err err = sh_batch_add(out->samples, tag, source_us, type, value, quality);
    if (err == SH_E_LIMIT) {
        SH_TRY(out->ops->flush(out->ctx));
        err = sh_batch_add(out->samples, tag, source_us, type, value, quality);
    }
    return err;
}

sh_err sh_drv_out_text(struct sh_drv_out *out, uint32_t tag, int64_t source_us, enum sh_type type,
                       struct sh_bytes value, uint8_t quality)
{
    source_us = source_us != 0 ? source_us : out->receipt_us;
    sh_err err = sh_batch_add_bytes(out->samples, tag, source_us, type, value, quality);
    if (err == SH_E_LIMIT) {
        SH_TRY(out->ops->flush(out->ctx));
        err = sh_batch_add_bytes(out->samples, tag, source_us, type, value, quality);
    }
    return err;
}

void sh_drv_out_timer(struct sh_drv_out *out, int64_t at_us)
{
    if (at_us < out->timer_us) {
        out->timer_us = at_us;
    }
}

void sh_drv_out_write_result(struct sh_drv_out *out, uint64_t id, enum sh_drv_result r,
                             const char *words)
{
    out->ops->write_result(out->ctx, id, r, words);
}

void sh_drv_out_exchange(struct sh_drv_out *out, const struct sh_drv_exchange *x)
{
    out->ops->exchange(out->ctx, x);
}

void sh_drv_out_reconnect(struct sh_drv_out *out, const char *fmt, ...)
{
    if (out->reconnect) {
        return;
    }
    out->reconnect = true;
    va_list args;
    va_start(args, fmt);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): it is, a line above */
    (void)vsnprintf(out->reason, sizeof out->reason, fmt, args);
    va_end(args);
}

bool sh_driver_usable(const struct sh_driver *d)
{
    return d != NULL && d->abi == SH_DRV_ABI && d->inst_size > 0 && d->name != NULL &&
           d->title_zh != NULL && d->title_en != NULL && d->channel_schema != NULL &&
           d->device_schema != NULL && d->point_schema != NULL && d->max_request_bytes > 0 &&
           d->init != NULL && d->step != NULL && d->fini != NULL && d->check_address != NULL;
}
