/* peer.c - Eclipse Paho C (MQTTClient, the synchronous library of most devices) against the real
 * binary. Started by tests/wire/paho_c_test.py, which kills the server and starts it again when a
 * line on stdout asks it to; the answer is a line on stdin. Exit code 0: all was as it must be.
 *   peer TCP-URL TLS-URL CERTIFICATE TOKEN DEVICE-USER DEVICE-PASSWORD
 *   peer die TCP-URL TOKEN VERSION     connects with a will and ends without DISCONNECT
 * SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <MQTTClient.h>

enum { WAIT_MS = 15000, SHORT_MS = 700, TEXT = 256 };

#define NEED(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            (void)fprintf(stderr, "peer.c:%d: %s\n", __LINE__, #x);                                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

struct world {
    const char *self;
    const char *tcp;
    const char *tls;
    const char *certificate;
    const char *token;
    const char *user;
    const char *password;
};

struct con {
    const char *id;
    int version;
    bool keep; /* a session that stays */
    bool tls;
    bool device; /* by the device's secret */
    const char *will;
    int receive_max;
    int code; /* out */
    int present;
};

static MQTTProperty number_prop(enum MQTTPropertyCodes code, unsigned v)
{
    MQTTProperty p = {.identifier = code};
    switch (MQTTProperty_getType(code)) {
    case MQTTPROPERTY_TYPE_BYTE:
        p.value.byte = (unsigned char)v;
        break;
    case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
        p.value.integer2 = (unsigned short)v;
        break;
    default:
        p.value.integer4 = v;
    }
    return p;
}

static MQTTLenString len_string(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {.in = s}; /* the library only reads it */
    return (MQTTLenString){.len = (int)strlen(s), .data = u.out};
}

static void add_text(MQTTProperties *all, enum MQTTPropertyCodes code, const char *v)
{
    MQTTProperty p = {.identifier = code};
    p.value.data = len_string(v);
    NEED(MQTTProperties_add(all, &p) == 0);
}

static void add_pair(MQTTProperties *all, const char *k, const char *v)
{
    MQTTProperty p = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
    p.value.data = len_string(k);
    p.value.value = len_string(v);
    NEED(MQTTProperties_add(all, &p) == 0);
}

static void add_number(MQTTProperties *all, enum MQTTPropertyCodes code, unsigned v)
{
    const MQTTProperty p = number_prop(code, v);
    NEED(MQTTProperties_add(all, &p) == 0);
}

static MQTTClient made(const struct world *w, const struct con *o)
{
    MQTTClient c = NULL;
    MQTTClient_createOptions co = MQTTClient_createOptions_initializer;
    co.MQTTVersion = o->version == 5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    NEED(MQTTClient_createWithOptions(&c, o->tls ? w->tls : w->tcp, o->id,
                                      MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                      &co) == MQTTCLIENT_SUCCESS);
    return c;
}

static int go(MQTTClient c, const struct world *w, struct con *o)
{
    MQTTClient_connectOptions v4 = MQTTClient_connectOptions_initializer;
    MQTTClient_connectOptions v5 = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions co = o->version == 5 ? v5 : v4;
    MQTTClient_SSLOptions ssl = MQTTClient_SSLOptions_initializer;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    co.username = o->device ? w->user : w->token;
    co.password = o->device ? w->password : "";
    co.keepAliveInterval = 30;
    co.connectTimeout = 10;
    ssl.trustStore = w->certificate;
    co.ssl = o->tls ? &ssl : NULL;
    will.topicName = o->will;
    will.message = "gone";
    will.qos = 1;
    co.will = o->will != NULL ? &will : NULL;
    if (o->version != 5) {
        co.MQTTVersion = MQTTVERSION_3_1_1; /* else it tries 3.1 when it is refused */
        co.cleansession = !o->keep;
        const int rc = MQTTClient_connect(c, &co);
        o->present = co.returned.sessionPresent;
        return rc;
    }
    MQTTProperties props = MQTTProperties_initializer;
    co.cleanstart = !o->keep;
    if (o->keep) {
        add_number(&props, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, 600);
    }
    if (o->receive_max > 0) {
        add_number(&props, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, (unsigned)o->receive_max);
    }
    MQTTResponse r = MQTTClient_connect5(c, &co, &props, NULL);
    const int rc = (int)r.reasonCode;
    o->present = co.returned.sessionPresent;
    MQTTResponse_free(r);
    MQTTProperties_free(&props);
    return rc;
}

static MQTTClient up(const struct world *w, struct con o)
{
    MQTTClient c = made(w, &o);
    const int rc = go(c, w, &o);
    if (rc != 0) {
        (void)fprintf(stderr, "%s, version %d: %d\n", o.id, o.version, rc);
        exit(1);
    }
    return c;
}

static void down(MQTTClient c, int version)
{
    if (version == 5) {
        (void)MQTTClient_disconnect5(c, 1000, MQTTREASONCODE_SUCCESS, NULL);
    } else {
        (void)MQTTClient_disconnect(c, 1000);
    }
    MQTTClient_destroy(&c);
}

static int subscribe(MQTTClient c, int version, const char *filter, int qos)
{
    if (version != 5) {
        return MQTTClient_subscribe(c, filter, qos) == MQTTCLIENT_SUCCESS ? qos : 128;
    }
    MQTTResponse r = MQTTClient_subscribe5(c, filter, qos, NULL, NULL);
    const int rc = (int)r.reasonCode;
    MQTTResponse_free(r);
    return rc;
}

static void publish(MQTTClient c, int version, const char *topic, const char *text, int qos,
                    bool retain, MQTTProperties *props)
{
    MQTTClient_deliveryToken token = 0;
    MQTTClient_message m = MQTTClient_message_initializer;
    MQTTLenString body = len_string(text);
    m.payload = body.data;
    m.payloadlen = body.len;
    m.qos = qos;
    m.retained = retain;
    if (version == 5) {
        if (props != NULL) {
            m.properties = *props;
        }
        MQTTResponse r = MQTTClient_publishMessage5(c, topic, &m, &token);
        NEED((int)r.reasonCode == 0);
        MQTTResponse_free(r);
    } else {
        NEED(MQTTClient_publishMessage(c, topic, &m, &token) == MQTTCLIENT_SUCCESS);
    }
    if (qos > 0) {
        NEED(MQTTClient_waitForCompletion(c, token, WAIT_MS) == MQTTCLIENT_SUCCESS);
    }
}

struct got {
    char topic[TEXT];
    char text[TEXT];
    int qos;
    int retained;
    MQTTClient_message *m; /* freed by the next take */
};

static bool take(MQTTClient c, struct got *g, unsigned long ms)
{
    char *topic = NULL;
    int n = 0;
    MQTTClient_message *m = NULL;
    if (g->m != NULL) {
        MQTTClient_freeMessage(&g->m);
    }
    if (MQTTClient_receive(c, &topic, &n, &m, ms) != MQTTCLIENT_SUCCESS || m == NULL) {
        return false;
    }
    (void)snprintf(g->topic, sizeof g->topic, "%.*s", n > 0 ? n : (int)strlen(topic), topic);
    (void)snprintf(g->text, sizeof g->text, "%.*s", m->payloadlen, (const char *)m->payload);
    g->qos = m->qos;
    g->retained = m->retained;
    g->m = m;
    MQTTClient_free(topic);
    return true;
}

static void take_text(MQTTClient c, struct got *g, const char *want)
{
    NEED(take(c, g, WAIT_MS));
    if (strcmp(g->text, want) != 0) {
        (void)fprintf(stderr, "%s instead of %s\n", g->text, want);
        exit(1);
    }
}

static void done(struct got *g)
{
    if (g->m != NULL) {
        MQTTClient_freeMessage(&g->m);
    }
}

static void ask_kill(void)
{
    char line[16];
    (void)puts("ask kill");
    (void)fflush(stdout);
    NEED(fgets(line, sizeof line, stdin) != NULL && strcmp(line, "done\n") == 0);
}

/* ---- what is shown ---- */

static void credentials(const struct world *w)
{
    for (int i = 0; i < 8; i++) {
        const int v = (i & 1) != 0 ? 5 : 4;
        const struct con o = {
            .id = "cred", .version = v, .tls = (i & 2) != 0, .device = (i & 4) != 0};
        MQTTClient c = up(w, o);
        char body[TEXT];
        (void)snprintf(body, sizeof body, "{\"c%d\":%d}", i, i);
        publish(c, v, "sh/v1/press/telemetry", body, 1 + i % 2, false, NULL);
        down(c, v);
    }
    struct world bad = *w;
    bad.password = "wrong";
    for (int v = 4; v <= 5; v++) {
        struct con o = {.id = "bad", .version = v, .device = true};
        MQTTClient c = made(&bad, &o);
        const int rc = go(c, &bad, &o);
        NEED(rc == (v == 5 ? MQTTREASONCODE_BAD_USER_NAME_OR_PASSWORD : 4));
        MQTTClient_destroy(&c);
    }
    bad = *w;
    bad.certificate = "/etc/ssl/certs/ca-certificates.crt"; /* does not hold ours */
    struct con o = {.id = "bad", .version = 4, .tls = true};
    MQTTClient c = made(&bad, &o);
    NEED(go(c, &bad, &o) != 0);
    MQTTClient_destroy(&c);
}

static void every_qos(const struct world *w)
{
    for (int i = 0; i < 4; i++) {
        const int vp = (i & 1) != 0 ? 5 : 4;
        const int vs = (i & 2) != 0 ? 5 : 4;
        struct got g = {.m = NULL};
        MQTTClient s = up(w, (struct con){.id = "sub", .version = vs, .tls = i == 1});
        MQTTClient p = up(w, (struct con){.id = "pub", .version = vp, .tls = i == 2});
        NEED(subscribe(s, vs, "pc/#", 2) == 2);
        for (int n = 0; n < 30; n++) {
            char text[TEXT];
            (void)snprintf(text, sizeof text, "%d", n);
            publish(p, vp, "pc/x", text, n % 3, false, NULL);
            take_text(s, &g, text);
            NEED(g.qos == n % 3 && g.retained == 0 && strcmp(g.topic, "pc/x") == 0);
        }
        done(&g);
        down(p, vp);
        down(s, vs);
    }
}

static void retained(const struct world *w)
{
    for (int v = 4; v <= 5; v++) {
        struct got g = {.m = NULL};
        MQTTClient p = up(w, (struct con){.id = "pub", .version = v});
        publish(p, v, "pk/a", "one", 1, true, NULL);
        publish(p, v, "pk/a", "two", 2, true, NULL);
        publish(p, v, "pk/b", "gone", 1, true, NULL);
        publish(p, v, "pk/b", "", 1, true, NULL);
        MQTTClient s = up(w, (struct con){.id = "sub", .version = v});
        NEED(subscribe(s, v, "pk/+", 1) == 1);
        take_text(s, &g, "two");
        NEED(g.retained == 1 && strcmp(g.topic, "pk/a") == 0);
        publish(p, v, "pk/a", "three", 1, true, NULL);
        take_text(s, &g, "three");
        NEED(g.retained == 0);
        NEED(!take(s, &g, SHORT_MS));
        done(&g);
        down(p, v);
        down(s, v);
    }
}

static void wills(const struct world *w)
{
    struct got g = {.m = NULL};
    MQTTClient s = up(w, (struct con){.id = "sub", .version = 5});
    NEED(subscribe(s, 5, "pw/#", 1) == 1);
    for (int v = 4; v <= 5; v++) {
        char version[2] = {(char)('0' + v), '\0'};
        const pid_t child = fork();
        if (child == 0) {
            (void)execl(w->self, w->self, "die", w->tcp, w->token, version, (char *)NULL);
            _exit(1);
        }
        int status = 0;
        NEED(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
        take_text(s, &g, "gone");
    }
    MQTTClient c = up(w, (struct con){.id = "polite", .version = 4, .will = "pw/never"});
    down(c, 4);
    NEED(!take(s, &g, SHORT_MS));
    done(&g);
    down(s, 5);
}

static bool has_pair(MQTTProperties *p, int index, const char *k, const char *v)
{
    const MQTTProperty *x = MQTTProperties_getPropertyAt(p, MQTTPROPERTY_CODE_USER_PROPERTY, index);
    return x != NULL && x->value.data.len == (int)strlen(k) &&
           x->value.value.len == (int)strlen(v) && memcmp(x->value.data.data, k, strlen(k)) == 0 &&
           memcmp(x->value.value.data, v, strlen(v)) == 0;
}

static bool has_text(MQTTProperties *p, enum MQTTPropertyCodes code, const char *v)
{
    const MQTTProperty *x = MQTTProperties_getProperty(p, code);
    return x != NULL && x->value.data.len == (int)strlen(v) &&
           memcmp(x->value.data.data, v, strlen(v)) == 0;
}

static void properties(const struct world *w)
{
    struct got g = {.m = NULL};
    MQTTClient p = up(w, (struct con){.id = "pub", .version = 5});
    MQTTClient s = up(w, (struct con){.id = "sub", .version = 5, .receive_max = 2});
    NEED(subscribe(s, 5, "pp/#", 2) == 2);
    MQTTProperties props = MQTTProperties_initializer;
    add_pair(&props, "b", "1");
    add_pair(&props, "a", "2");
    add_pair(&props, "b", "3");
    add_text(&props, MQTTPROPERTY_CODE_RESPONSE_TOPIC, "re/ply");
    add_text(&props, MQTTPROPERTY_CODE_CORRELATION_DATA, "id7");
    add_text(&props, MQTTPROPERTY_CODE_CONTENT_TYPE, "text/plain");
    add_number(&props, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, 100);
    publish(p, 5, "pp/a", "one", 2, false, &props);
    MQTTProperties_free(&props);
    take_text(s, &g, "one");
    MQTTProperties *q = &g.m->properties;
    NEED(has_pair(q, 0, "b", "1") && has_pair(q, 1, "a", "2") && has_pair(q, 2, "b", "3"));
    NEED(has_text(q, MQTTPROPERTY_CODE_RESPONSE_TOPIC, "re/ply"));
    NEED(has_text(q, MQTTPROPERTY_CODE_CORRELATION_DATA, "id7"));
    NEED(has_text(q, MQTTPROPERTY_CODE_CONTENT_TYPE, "text/plain"));
    const int left =
        (int)MQTTProperties_getNumericValue(q, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL);
    NEED(left >= 95 && left <= 100);
    /* by alias: the topic once, then its number */
    MQTTProperties alias = MQTTProperties_initializer;
    add_number(&alias, MQTTPROPERTY_CODE_TOPIC_ALIAS, 5);
    publish(p, 5, "pp/alias", "0", 1, false, &alias);
    take_text(s, &g, "0");
    publish(p, 5, "", "1", 1, false, &alias);
    take_text(s, &g, "1");
    NEED(strcmp(g.topic, "pp/alias") == 0);
    MQTTProperties_free(&alias);
    /* more than the subscriber's receive maximum waits and comes */
    for (int i = 0; i < 20; i++) {
        publish(p, 5, "pp/many", "m", 1 + i % 2, false, NULL);
    }
    for (int i = 0; i < 20; i++) {
        take_text(s, &g, "m");
    }
    done(&g);
    down(p, 5);
    down(s, 5);
}

static void shared(const struct world *w)
{
    struct got g = {.m = NULL};
    MQTTClient m[3];
    int have[3] = {0, 0, 0};
    MQTTClient p = up(w, (struct con){.id = "pub", .version = 4});
    for (int i = 0; i < 3; i++) {
        char id[16];
        (void)snprintf(id, sizeof id, "m%d", i);
        m[i] = up(w, (struct con){.id = id, .version = 5});
        NEED(subscribe(m[i], 5, "$share/g/pj/#", 1) == 1);
    }
    for (int i = 0; i < 30; i++) {
        publish(p, 4, "pj/x", "job", 1, false, NULL);
    }
    for (int i = 0; i < 3; i++) {
        while (take(m[i], &g, SHORT_MS)) {
            have[i]++;
        }
    }
    NEED(have[0] + have[1] + have[2] == 30 && have[0] >= 5 && have[1] >= 5 && have[2] >= 5);
    done(&g);
    for (int i = 0; i < 3; i++) {
        down(m[i], 5);
    }
    down(p, 4);
}

/* What a session that is away gets, over a reconnect or over kill -9 of the server. */
static void sessions(const struct world *w, bool kill9)
{
    struct got g = {.m = NULL};
    const char *state = kill9 ? "pr/killed" : "pr/back"; /* the sessions stay: a topic for each */
    for (int v = 4; v <= 5; v++) {
        struct con o = {.id = v == 5 ? "stay5" : "stay4", .version = v, .keep = true};
        MQTTClient c = up(w, o);
        NEED(subscribe(c, v, "ps/#", 2) == 2);
        down(c, v);
    }
    MQTTClient p = up(w, (struct con){.id = "pub", .version = 5});
    for (int i = 0; i < 40; i++) {
        char text[TEXT];
        (void)snprintf(text, sizeof text, "%d", i);
        publish(p, 5, i % 2 == 0 ? "ps/1" : "ps/2", text, 1 + i % 2, false, NULL);
    }
    publish(p, 5, state, "running", 1, true, NULL);
    if (kill9) {
        ask_kill();
        (void)MQTTClient_disconnect5(p, 0, MQTTREASONCODE_SUCCESS, NULL);
        MQTTClient_destroy(&p);
    } else {
        down(p, 5);
    }
    for (int v = 4; v <= 5; v++) {
        struct con o = {.id = v == 5 ? "stay5" : "stay4", .version = v, .keep = true};
        MQTTClient c = made(w, &o);
        NEED(go(c, w, &o) == 0);
        NEED(v == 5 || o.present == 1); /* the library says it for 3.1.1 only */
        int next[3] = {0, 0, 1};
        for (int i = 0; i < 40; i++) {
            NEED(take(c, &g, WAIT_MS));
            NEED(g.qos == 1 || g.qos == 2);
            if (atoi(g.text) != next[g.qos]) {
                (void)fprintf(stderr, "version %d, message %d: %s on %s, QoS %d, dup %d, want %d\n",
                              v, i, g.text, g.topic, g.qos, g.m->dup, next[g.qos]);
            }
            NEED(atoi(g.text) == next[g.qos]); /* in order for each QoS, none twice */
            next[g.qos] += 2;
        }
        NEED(!take(c, &g, SHORT_MS));
        NEED(subscribe(c, v, state, 1) == 1);
        take_text(c, &g, "running");
        NEED(g.retained == 1);
        down(c, v);
    }
    done(&g);
}

static int die(char **argv)
{
    const struct world w = {.tcp = argv[2], .token = argv[3]};
    (void)up(&w, (struct con){.id = "dying", .version = argv[4][0] - '0', .will = "pw/gone"});
    (void)raise(SIGKILL);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "die") == 0) {
        return die(argv);
    }
    if (argc != 7) {
        (void)fprintf(stderr, "peer TCP TLS CERTIFICATE TOKEN USER PASSWORD\n");
        return 2;
    }
    const struct world w = {argv[0], argv[1], argv[2], argv[3], argv[4], argv[5], argv[6]};
    MQTTClient_init_options init = MQTTClient_init_options_initializer;
    init.do_openssl_init = 1;
    MQTTClient_global_init(&init);
    (void)setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    credentials(&w);
    (void)puts("say credentials, TCP and TLS ok");
    every_qos(&w);
    (void)puts("say every QoS ok");
    retained(&w);
    (void)puts("say retained ok");
    wills(&w);
    (void)puts("say wills ok");
    properties(&w);
    (void)puts("say properties of 5.0 ok");
    shared(&w);
    (void)puts("say shared subscriptions ok");
    (void)fflush(stdout);
    sessions(&w, false);
    (void)puts("say sessions over a reconnect ok");
    sessions(&w, true);
    (void)puts("say sessions over kill -9 ok");
    return 0;
}
