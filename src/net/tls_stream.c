/* tls_stream.c - a TLS stream over an inner stream.
 * States: handshake (hs != NULL) -> open (given to on_open) -> closing -> gone.
 * Invariants:
 *  1. OpenSSL reads from `src`, the bytes the inner stream shows right now, through our BIO, and
 *     writes into the inner stream's queue: no buffer of ours lies between.
 *  2. Plain output is collected in `out` and encrypted at the end of the turn (or at 16 KiB), so
 *     that small writes share a record. queued = out.n + what the inner stream has queued.
 *  3. Room is checked before bytes are taken: encrypting `out` always fits the inner queue.
 *  4. The stream is gone when the inner one is: only inner_close frees.
 *  5. A handshake step costs about 250 us of CPU, so a turn makes only so many; who comes later
 *     waits in loop->tls_waiting with its inner stream paused.
 *  6. Until on_open the stream is in loop->tls_young, and its listener may close it there: nobody
 * else knows of it, also not after a handshake that failed and whose alert is still leaving.
 * SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "tls_int.h"

enum { HANDSHAKE_US = 10 * 1000 * 1000, RECORD_EXTRA = 64, SLACK = 1024 };

struct handshake {
    struct net_tls_wait wait;
    struct sh_timer timer;
    struct tls *owner;
    void (*on_open)(void *ctx, struct sh_stream *s);
    void (*on_fail)(void *ctx, sh_err err, const char *why);
    void *ctx;
    bool granted; /* has waited: its next step is free */
};

struct tls {
    struct net_stream n;
    struct sh_stream *inner; /* NULL once closed */
    struct sh_tls *set;
    SSL *ssl;
    struct handshake *hs;
    struct net_tls_young young;
    const uint8_t *src;
    size_t src_n;
    uint8_t *out;
    uint32_t out_n;
    uint32_t out_cap;
};

static struct tls *tls_of(const struct sh_stream *s)
{
    return NET_OWNER(s, struct tls, n);
}

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *p, size_t n, size_t *got)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    *got = n < t->src_n ? n : t->src_n;
    if (*got == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(p, t->src, *got);
    t->src += *got;
    t->src_n -= *got;
    return 1;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *put)
{
    struct tls *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (t->inner == NULL || sh_stream_write(t->inner, sh_bytes_of(p, n)) != SH_OK) {
        BIO_set_retry_write(b);
        return -1;
    }
    *put = n;
    return 1;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
    SH_UNUSED(b);
    SH_UNUSED(num);
    SH_UNUSED(ptr);
    return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP ? 1 : 0;
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "songhua stream");
    if (m != NULL &&
        (BIO_meth_set_read_ex(m, bio_read) != 1 || BIO_meth_set_write_ex(m, bio_write) != 1 ||
         BIO_meth_set_ctrl(m, bio_ctrl) != 1)) {
        BIO_meth_free(m);
        return NULL;
    }
    return m;
}

/* ---- the end ---- */

static void wait_remove(struct sh_loop *l, struct net_tls_wait *w)
{
    if (w->prev == NULL) {
        return;
    }
    *w->prev = w->next;
    if (w->next != NULL) {
        w->next->prev = w->prev;
    } else {
        l->tls_waiting_tail = w->prev;
    }
    w->next = NULL;
    w->prev = NULL;
    net_sub(&l->n.tls_waiting, 1);
}

static void drop_handshake(struct tls *t)
{
    struct sh_loop *l = t->n.s.loop;
    if (t->hs != NULL) {
        wait_remove(l, &t->hs->wait);
        sh_timer_stop(&t->hs->timer);
        sh_mem_free(l->env->alloc, t->hs);
        t->hs = NULL;
    }
}

static void young_remove(struct net_tls_young *y)
{
    if (y->prev != NULL) {
        *y->prev = y->next;
        if (y->next != NULL) {
            y->next->prev = y->prev;
        }
        y->prev = NULL;
    }
}

static void young_add(struct tls *t, const void *ctx)
{
    struct sh_loop *l = t->n.s.loop;
    t->young = (struct net_tls_young){.next = l->tls_young, .prev = &l->tls_young, .ctx = ctx};
    if (t->young.next != NULL) {
        t->young.next->prev = &t->young.next;
    }
    l->tls_young = &t->young;
}

static void free_tls(struct tls *t)
{
    struct sh_loop *l = t->n.s.loop;
    young_remove(&t->young);
    drop_handshake(t);
    SSL_free(t->ssl);
    tls_unref(t->set);
    sh_mem_free(l->env->alloc, t->out);
    net_stream_fini(&t->n);
    sh_mem_free(l->env->alloc, t);
}

void net_tls_cancel(struct sh_loop *l, const void *ctx)
{
    for (struct net_tls_young *y = l->tls_young; y != NULL; y = y->next) {
        struct tls *t = NET_OWNER(y, struct tls, young);
        if (y->ctx == ctx && t->inner != NULL) { /* the inner stream's on_close frees it later */
            drop_handshake(t);
            t->n.reason = (uint8_t)((t->n.flags & NET_CLOSING) != 0 ? t->n.reason : SH_E_CANCELED);
            t->n.flags |= NET_CLOSING;
            sh_stream_close(t->inner, SH_E_CANCELED);
        }
    }
}

void sh_tls_wrap_cancel(struct sh_loop *l, const void *ctx)
{
    net_tls_cancel(l, ctx);
}

static void handshake_failed(struct tls *t, sh_err e, const char *why)
{
    struct handshake *h = t->hs;
    void (*on_fail)(void *, sh_err, const char *) = h->on_fail;
    void *ctx = h->ctx;
    net_add(&t->n.s.loop->n.tls_failed, 1);
    drop_handshake(t);
    on_fail(ctx, e, why);
}

/* Closes for a reason of ours. graceful: what is queued (an alert) still leaves. */
static void close_tls(struct tls *t, sh_err reason, bool graceful)
{
    if ((t->n.flags & NET_CLOSING) != 0) {
        return;
    }
    t->n.flags |= NET_CLOSING;
    t->n.reason = (uint8_t)reason;
    if (t->inner != NULL) {
        if (graceful) {
            sh_stream_end(t->inner);
        } else {
            sh_stream_close(t->inner, reason);
        }
    }
}

static void inner_close(void *ctx, sh_err reason)
{
    struct tls *t = ctx;
    t->inner = NULL;
    if ((t->n.flags & NET_CLOSING) == 0) {
        t->n.flags |= NET_CLOSING;
        if ((t->n.flags & NET_ENDING) == 0 || reason != SH_OK) {
            t->n.reason = (uint8_t)reason;
        }
    }
    if (t->hs != NULL) {
        handshake_failed(t, t->n.reason == SH_OK ? SH_E_CLOSED : (sh_err)t->n.reason,
                         "the peer closed the connection during the handshake");
    } else {
        net_tell_closed(&t->n);
    }
    free_tls(t);
}

/* ---- output ---- */

static size_t tls_queued(const struct sh_stream *s)
{
    const struct tls *t = tls_of(s);
    return t->out_n + (t->inner == NULL ? 0 : sh_stream_queued(t->inner));
}

static size_t tls_unacked(const struct sh_stream *s)
{
    const struct tls *t = tls_of(s);
    return t->out_n + (t->inner == NULL ? 0 : sh_stream_unacked(t->inner));
}

static void encrypt_out(struct tls *t)
{
    if (t->out_n == 0 || (t->n.flags & NET_CLOSING) != 0) {
        return;
    }
    ERR_clear_error();
    const int r = SSL_write(t->ssl, t->out, (int)t->out_n);
    t->out_n = 0;
    sh_mem_free(t->n.s.loop->env->alloc, t->out);
    t->out = NULL;
    t->out_cap = 0;
    if (r <= 0) { /* room was checked: so the inner stream is on its way out */
        close_tls(t, SH_E_CLOSED, false);
    }
}

static sh_err out_put(struct tls *t, const uint8_t *p, size_t n)
{
    if (t->out_n + n > t->out_cap) {
        size_t cap = t->out_cap == 0 ? 512 : (size_t)t->out_cap * 2;
        cap = cap < t->out_n + n ? t->out_n + n : cap;
        uint8_t *q = sh_mem_resize(t->n.s.loop->env->alloc, t->out, cap);
        if (q == NULL) {
            return SH_E_NOMEM;
        }
        t->out = q;
        t->out_cap = (uint32_t)cap;
    }
    memcpy(t->out + t->out_n, p, n);
    t->out_n += (uint32_t)n;
    return SH_OK;
}

static sh_err tls_write(struct sh_stream *s, const struct sh_bytes *parts, size_t n)
{
    struct tls *t = tls_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) != 0 || t->inner == NULL) {
        return SH_E_CLOSED;
    }
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += parts[i].n;
    }
    if (total > t->n.write_max || tls_queued(s) > t->n.write_max - total) {
        t->n.flags |= NET_HIGH;
        return SH_E_LIMIT;
    }
    const uint32_t was = t->out_n;
    for (size_t i = 0; i < n; i++) {
        const sh_err e = parts[i].n == 0 ? SH_OK : out_put(t, parts[i].p, parts[i].n);
        if (e != SH_OK) {
            t->out_n = was;
            return e;
        }
    }
    if (tls_queued(s) > t->n.write_max / 2) {
        t->n.flags |= NET_HIGH;
    }
    if (t->out_n >= TLS_RECORD) {
        encrypt_out(t);
    }
    net_want(&t->n, NET_FLUSH);
    return SH_OK;
}

static void check_drain(struct tls *t)
{
    if ((t->n.flags & (NET_HIGH | NET_ENDING | NET_CLOSING)) == NET_HIGH &&
        tls_queued(&t->n.s) <= t->n.write_max / 2 && t->n.s.handler != NULL) {
        t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_HIGH);
        if (t->n.s.handler->on_drain != NULL) {
            t->n.s.handler->on_drain(t->n.s.ctx);
        }
    }
}

/* ---- input ---- */

static void broken(struct tls *t)
{
    char why[120];
    tls_why(why, sizeof why);
    sh_log(t->n.s.loop->env->log, SH_LOG_DEBUG, "net", "TLS: %s", why);
    close_tls(t, SH_E_PROTO, true);
}

static void after_input(struct tls *t, sh_err e)
{
    if (e != SH_OK) {
        close_tls(t, e, false);
    } else if (net_show_eof(&t->n)) {
        encrypt_out(t);
        close_tls(t, SH_E_CLOSED, true);
    }
}

/* Decrypts what is there as long as the owner takes it. */
static void read_records(struct tls *t)
{
    while ((t->n.flags & (NET_CLOSING | NET_EOF)) == 0 &&
           ((t->n.flags & NET_ENDING) != 0 || net_can_show(&t->n))) {
        ERR_clear_error();
        uint8_t *plain = t->n.s.loop->tls_plain;
        const int r = SSL_read(t->ssl, plain, TLS_RECORD);
        if (r > 0) {
            after_input(t, net_input(&t->n, plain, (size_t)r));
            continue;
        }
        const int why = SSL_get_error(t->ssl, r);
        if (why == SSL_ERROR_ZERO_RETURN) {
            t->n.flags |= NET_EOF;
            after_input(t, SH_OK);
        } else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            broken(t);
        }
        return;
    }
}

static void opened(struct tls *t)
{
    struct handshake *h = t->hs;
    void (*on_open)(void *, struct sh_stream *) = h->on_open;
    void *ctx = h->ctx;
    struct sh_loop *l = t->n.s.loop;
    net_add(&l->n.tls_handshakes, 1);
    if (SSL_session_reused(t->ssl) == 1) {
        net_add(&l->n.tls_resumed, 1);
    }
    drop_handshake(t);
    young_remove(&t->young);
    sh_stream_pause(t->inner); /* until the owner starts it */
    on_open(ctx, &t->n.s);
}

static void step_handshake(struct tls *t)
{
    ERR_clear_error();
    const int r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        opened(t);
        return;
    }
    const int e = SSL_get_error(t->ssl, r);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) {
        return;
    }
    char why[120];
    const long verify = SSL_get_verify_result(t->ssl);
    tls_why(why, sizeof why);
    close_tls(t, SH_E_PROTO, true);
    handshake_failed(t, SH_E_PROTO,
                     verify == X509_V_OK ? why : X509_verify_cert_error_string(verify));
}

/* May this connection make its step in this turn? */
static bool may_step(struct tls *t)
{
    struct sh_loop *l = t->n.s.loop;
    struct handshake *h = t->hs;
    if (h->granted) {
        h->granted = false;
        return true;
    }
    if (l->handshakes_left > 0) {
        l->handshakes_left--;
        return true;
    }
    if (h->wait.prev == NULL) {
        h->wait.prev = l->tls_waiting_tail;
        *l->tls_waiting_tail = &h->wait;
        l->tls_waiting_tail = &h->wait.next;
        net_add(&l->n.tls_waiting, 1);
        sh_stream_pause(t->inner);
    }
    return false;
}

void net_tls_turn(struct sh_loop *l)
{
    for (unsigned i = 0; i < l->handshakes_per_turn && l->tls_waiting != NULL; i++) {
        struct handshake *h = NET_OWNER(l->tls_waiting, struct handshake, wait);
        wait_remove(l, &h->wait);
        h->granted = true;
        sh_stream_resume(h->owner->inner);
    }
}

static size_t inner_bytes(void *ctx, struct sh_bytes in)
{
    struct tls *t = ctx;
    if ((t->n.flags & NET_CLOSING) != 0) {
        return in.n;
    }
    if (t->hs != NULL && !may_step(t)) {
        return 0;
    }
    t->src = in.p;
    t->src_n = in.n;
    if (t->hs != NULL) {
        step_handshake(t);
    }
    if (t->hs == NULL && (t->n.flags & NET_CLOSING) == 0) {
        read_records(t);
    }
    const size_t used = (t->n.flags & NET_CLOSING) != 0 ? in.n : in.n - t->src_n;
    t->src = NULL;
    t->src_n = 0;
    return used;
}

static void inner_drain(void *ctx)
{
    struct tls *t = ctx;
    if (t->hs != NULL && (t->n.flags & NET_CLOSING) == 0) {
        step_handshake(t);
    } else if (t->hs == NULL) {
        check_drain(t);
    }
}

static void inner_eof(void *ctx)
{
    struct tls *t = ctx;
    if (t->hs != NULL) {
        close_tls(t, SH_E_CLOSED, false);
        return;
    }
    t->n.flags |= NET_EOF;
    after_input(t, SH_OK);
}

static const struct sh_stream_handler inner_handler = {
    .on_bytes = inner_bytes,
    .on_drain = inner_drain,
    .on_eof = inner_eof,
    .on_close = inner_close,
};

/* ---- operations ---- */

static void tls_turn(void *ctx)
{
    struct tls *t = tls_of(ctx);
    if ((t->n.flags & NET_CLOSING) != 0 || t->hs != NULL) {
        return;
    }
    if ((t->n.flags & NET_SHOW) != 0) {
        t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_SHOW);
        after_input(t, net_show(&t->n));
    }
    if ((t->n.flags & NET_CLOSING) != 0) {
        return;
    }
    encrypt_out(t);
    check_drain(t);
    if ((t->n.flags & (NET_ENDING | NET_SHUT | NET_CLOSING)) == NET_ENDING && t->inner != NULL) {
        t->n.flags |= NET_SHUT;
        ERR_clear_error();
        (void)SSL_shutdown(t->ssl);
        sh_stream_end(t->inner);
    }
}

static void tls_start(struct sh_stream *s)
{
    struct tls *t = tls_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) != 0) {
        return;
    }
    t->n.flags |= NET_STARTED;
    if ((t->n.flags & NET_PAUSED) == 0) {
        sh_stream_resume(t->inner);
    }
    net_want(&t->n, NET_SHOW);
}

static void tls_flush(struct sh_stream *s)
{
    struct tls *t = tls_of(s);
    encrypt_out(t);
    if (t->inner != NULL && (t->n.flags & NET_CLOSING) == 0) {
        sh_stream_flush(t->inner);
    }
}

static void tls_pause(struct sh_stream *s)
{
    struct tls *t = tls_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) == 0) {
        t->n.flags |= NET_PAUSED;
        sh_stream_pause(t->inner);
    }
}

static void tls_resume(struct sh_stream *s)
{
    struct tls *t = tls_of(s);
    if ((t->n.flags & NET_PAUSED) == 0) {
        return;
    }
    t->n.flags = (uint16_t)(t->n.flags & ~(unsigned)NET_PAUSED);
    if ((t->n.flags & NET_CLOSING) == 0 && t->inner != NULL) {
        sh_stream_resume(t->inner);
    }
    net_want(&t->n, NET_SHOW);
}

static void tls_end(struct sh_stream *s)
{
    struct tls *t = tls_of(s);
    if ((t->n.flags & (NET_ENDING | NET_CLOSING)) == 0) {
        net_want(&t->n, NET_ENDING);
    }
}

static void tls_close(struct sh_stream *s, sh_err reason)
{
    close_tls(tls_of(s), reason, false);
}

static size_t tls_write_max(const struct sh_stream *s)
{
    return tls_of(s)->n.write_max;
}

static struct sh_addr tls_peer(const struct sh_stream *s)
{
    const struct tls *t = tls_of(s);
    struct sh_addr a = {0};
    if (t->inner != NULL) {
        a = sh_stream_peer(t->inner);
    }
    return a;
}

static struct sh_addr tls_local(const struct sh_stream *s)
{
    const struct tls *t = tls_of(s);
    struct sh_addr a = {0};
    if (t->inner != NULL) {
        a = sh_stream_local(t->inner);
    }
    return a;
}

static sh_err tls_peer_cert(const struct sh_stream *s, struct sh_peer_cert *out)
{
    const struct tls *t = tls_of(s);
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    if (cert == NULL) {
        return SH_E_NOTFOUND;
    }
    const bool checked = SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE;
    tls_describe(cert, checked && SSL_get_verify_result(t->ssl) == X509_V_OK, out);
    return SH_OK;
}

static bool tls_secure(const struct sh_stream *s)
{
    SH_UNUSED(s);
    return true;
}

static const struct sh_stream_ops tls_ops = {
    .kind = "tls",
    .start = tls_start,
    .write = tls_write,
    .flush = tls_flush,
    .pause = tls_pause,
    .resume = tls_resume,
    .end = tls_end,
    .close = tls_close,
    .queued = tls_queued,
    .unacked = tls_unacked,
    .write_max = tls_write_max,
    .peer = tls_peer,
    .local = tls_local,
    .peer_cert = tls_peer_cert,
    .secure = tls_secure,
};

/* ---- making one ---- */

static void on_timeout(void *ctx)
{
    struct tls *t = ctx;
    close_tls(t, SH_E_TIMEOUT, false);
    handshake_failed(t, SH_E_TIMEOUT, "the TLS handshake was not done in time");
}

static bool set_name(SSL *ssl, struct sh_str name, bool verify)
{
    char text[256];
    uint8_t ip[16];
    if (name.n == 0) {
        return true;
    }
    if (name.n >= sizeof text) {
        return false;
    }
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (inet_pton(AF_INET, text, ip) == 1 || inet_pton(AF_INET6, text, ip) == 1) {
        return !verify || X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1; /* no SNI: RFC 6066 3 */
    }
    return SSL_set_tlsext_host_name(ssl, text) == 1 && (!verify || SSL_set1_host(ssl, text) == 1);
}

static bool set_up(struct tls *t, const struct sh_tls_wrap *w)
{
    ERR_clear_error();
    sh_mutex_lock(&t->set->lock);
    t->ssl = SSL_new(t->set->ctx);
    const bool insecure = t->set->insecure;
    sh_mutex_unlock(&t->set->lock);
    BIO *b = BIO_new(t->set->bio);
    if (t->ssl == NULL || b == NULL) {
        BIO_free(b);
        return false;
    }
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    /* certificates are judged by our clock */
    X509_VERIFY_PARAM_set_time(SSL_get0_param(t->ssl),
                               (time_t)(sh_loop_wall_us(t->n.s.loop) / 1000000));
    if (t->set->server) {
        SSL_set_accept_state(t->ssl);
        return true;
    }
    SSL_set_connect_state(t->ssl);
    return set_name(t->ssl, w->server_name, !insecure);
}

static void begin(void *ctx)
{
    struct tls *t = ctx;
    t->n.job.fn = tls_turn;
    if ((t->n.flags & NET_CLOSING) == 0 && t->hs != NULL) {
        step_handshake(t);
    }
}

sh_err sh_tls_wrap(struct sh_tls *set, struct sh_stream *inner, const struct sh_tls_wrap *w)
{
    struct sh_loop *l = inner->loop;
    const size_t inner_max = sh_stream_write_max(inner);
    const size_t records = inner_max / TLS_RECORD + 2;
    const size_t extra = records * RECORD_EXTRA + SLACK;
    struct tls *t = sh_mem_new(l->env->alloc, sizeof *t);
    struct handshake *h = sh_mem_new(l->env->alloc, sizeof *h);
    if (l->tls_plain == NULL) {
        l->tls_plain = sh_mem_new(l->env->alloc, TLS_RECORD);
    }
    const bool memory = t != NULL && h != NULL && l->tls_plain != NULL;
    if (!memory || inner_max < extra * 4) {
        sh_mem_free(l->env->alloc, t);
        sh_mem_free(l->env->alloc, h);
        sh_stream_close(inner, SH_E_NOMEM);
        return memory ? SH_E_INVAL : SH_E_NOMEM;
    }
    const struct sh_stream_opts so = {.write_max = inner_max - extra};
    net_stream_init(&t->n, &tls_ops, l, &so, tls_turn);
    t->set = set;
    (void)atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    t->inner = inner;
    t->hs = h;
    h->owner = t;
    h->on_open = w->on_open;
    h->on_fail = w->on_fail;
    h->ctx = w->ctx;
    sh_timer_init(&h->timer, on_timeout, t);
    if (!set_up(t, w)) {
        free_tls(t);
        sh_stream_close(inner, SH_E_NOMEM);
        return SH_E_NOMEM;
    }
    young_add(t, w->ctx);
    sh_timer_set(l, &h->timer, w->timeout_us == 0 ? HANDSHAKE_US : w->timeout_us);
    sh_stream_start(inner, &inner_handler, t);
    if (!set->server) { /* a client speaks first */
        t->n.job.fn = begin;
        sh_loop_defer(l, &t->n.job);
    }
    return SH_OK;
}
