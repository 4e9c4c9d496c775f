#include <sh/test.h>

#include <stdio.h>

#include <sh/schema.h>

/* Schemas and documents are written with ' for ". */
static json_t *parse(const char *text)
{
    char buf[4096];
    size_t n = 0;
    for (; n < sizeof buf - 1 && text[n] != '\0'; n++) {
        buf[n] = text[n];
        if (text[n] == '\'') {
            buf[n] = '"';
        }
    }
    json_error_t je;
    json_t *v = json_loadb(buf, n, JSON_DECODE_ANY, &je);
    if (v == NULL) {
        fail_msg("test data: %s in %s", je.text, text);
    }
    return v;
}

struct row {
    const char *schema;
    const char *good; /* documents separated by | */
    const char *bad;
};

static void check_docs(struct sh_schema *s, const struct row *r, bool good)
{
    const char *docs = good ? r->good : r->bad;
    while (*docs != '\0') {
        char one[1024];
        size_t n = 0;
        while (docs[n] != '|' && docs[n] != '\0') {
            one[n] = docs[n];
            n++;
        }
        one[n] = '\0';
        docs += docs[n] == '|' ? n + 1 : n;
        json_t *doc = parse(one);
        struct sh_diag d = {.line = 0};
        const sh_err err = sh_schema_check_diag(s, doc, &d);
        json_decref(doc);
        if (err != (good ? SH_OK : SH_E_INVAL)) {
            fail_msg("schema %s document %s: %s %s", r->schema, one, sh_err_name(err), d.message);
        }
        if (!good) {
            assert_true(d.message[0] != '\0');
        }
    }
}

static void run_rows(const struct row *rows, size_t n)
{
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < n; i++) {
        struct sh_schema *s = NULL;
        struct sh_diag d = {.line = 0};
        json_t *schema = parse(rows[i].schema);
        const sh_err err = sh_schema_new(&t.env, schema, &s, &d);
        json_decref(schema);
        if (err != SH_OK) {
            fail_msg("schema %s: %s %s", rows[i].schema, sh_err_name(err), d.message);
        }
        check_docs(s, &rows[i], true);
        check_docs(s, &rows[i], false);
        sh_schema_free(s);
    }
    sh_test_env_fini(&t);
}

/* JSON Schema Validation 2020-12, section 6 */
static void test_assertions(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"true", "1|null|{}", ""},
        {"false", "", "1|null|{}"},
        {"{}", "1|'x'|[]", ""},
        {"{'type':'null'}", "null", "0|false|''|[]|{}"},
        {"{'type':'boolean'}", "true|false", "0|null|'true'"},
        {"{'type':'integer'}", "1|-5|1.0|1e3", "1.5|'1'|null"},
        {"{'type':'number'}", "1|1.5|-0.0", "'1'|true"},
        {"{'type':['string','null']}", "'x'|null", "1|{}"},
        {"{'enum':[1,'a',null,[1],{'k':2}]}", "1|1.0|'a'|null|[1]|[1.0]|{'k':2.0}",
         "2|'b'|[]|[1,2]|{'k':3}|true"},
        {"{'const':{'a':[1,2]}}", "{'a':[1,2]}", "{'a':[2,1]}|{'a':[1,2],'b':0}"},
        {"{'const':false}", "false", "0|null"},
        {"{'multipleOf':2}", "4|0|-2|4.0|'x'", "3|2.5"},
        {"{'multipleOf':0.0001}", "0.0075|1", "0.00751"},
        {"{'multipleOf':0.01}", "0.07|19.99|1e20", "0.075"},
        {"{'maximum':3}", "3|2.9|'9'", "3.0001|4"},
        {"{'exclusiveMaximum':3}", "2.999", "3|3.0|4"},
        {"{'minimum':-2}", "-2|0", "-2.0001"},
        {"{'exclusiveMinimum':1.1}", "1.2", "1.1|1"},
        {"{'maximum':9007199254740992}", "9007199254740992", "9007199254740993"},
        {"{'maxLength':2}", "'泵机'|'ab'|'𠮷𠮷'|123456", "'abc'|'水泵房'"},
        {"{'minLength':2.0}", "'ab'|'水泵'", "'泵'|''"},
        {"{'pattern':'^a+$'}", "'a'|'aaa'|5", "'b'|'ab'|''|'a\\n'"},
        {"{'pattern':'水'}", "'水泵'|'热水'", "'油'"},
        {"{'pattern':'^\\\\u6c34\\\\d$'}", "'水1'", "'水１'|'水'"},
        {"{'maxItems':1}", "[]|[1]|{}", "[1,2]"},
        {"{'minItems':1}", "[1]|''", "[]"},
        {"{'uniqueItems':true}", "[1,2]|[{'a':1},{'a':2}]|[1,true]|[0,false]|['1',1]",
         "[1,1]|[1,1.0]|[{'a':1,'b':2},{'b':2,'a':1}]|[[1],[1]]"},
        {"{'uniqueItems':false}", "[1,1]", ""},
        {"{'contains':{'minimum':5}}", "[3,5]|'x'", "[]|[1,2]"},
        {"{'contains':{'const':1},'minContains':2,'maxContains':3}", "[1,1]|[1,2,1,1]",
         "[1]|[1,1,1,1]"},
        {"{'contains':{'const':1},'minContains':0}", "[]|[2]", ""},
        {"{'maxContains':1}", "[1,1]", ""}, /* without contains: ignored */
        {"{'maxProperties':1}", "{}|{'a':1}|[1,2]", "{'a':1,'b':2}"},
        {"{'minProperties':1}", "{'a':1}", "{}"},
        {"{'required':['a','b']}", "{'a':1,'b':null}|3", "{}|{'a':1}"},
        {"{'dependentRequired':{'card':['address','name']}}",
         "{}|{'card':1,'address':2,'name':3}|{'name':1}", "{'card':1}|{'card':1,'name':1}"},
    };
    run_rows(rows, SH_COUNT(rows));
}

/* JSON Schema Core 2020-12, section 10 */
static void test_applicators(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'allOf':[{'minimum':2},{'maximum':4}]}", "3", "1|5"},
        {"{'anyOf':[{'type':'string'},{'minimum':4}]}", "'x'|5", "3"},
        {"{'oneOf':[{'multipleOf':2},{'multipleOf':3}]}", "2|3|4", "6|7"},
        {"{'not':{'type':'string'}}", "1", "'x'"},
        {"{'not':{}}", "", "1"},
        {"{'if':{'properties':{'k':{'const':1}},'required':['k']},'then':{'required':['a']},"
         "'else':{'required':['b']}}",
         "{'k':1,'a':0}|{'k':2,'b':0}|{'b':1}", "{'k':1}|{'k':2}|{}"},
        {"{'if':{'minimum':5}}", "1|9", ""},
        {"{'then':{'minimum':5}}", "1", ""}, /* without if: ignored */
        {"{'dependentSchemas':{'a':{'required':['b']}}}", "{}|{'a':1,'b':1}", "{'a':1}"},
        {"{'prefixItems':[{'type':'string'},{'type':'number'}]}", "[]|['a']|['a',1]|['a',1,null]",
         "[1]|['a','b']"},
        {"{'prefixItems':[{'type':'string'}],'items':{'type':'number'}}", "['a']|['a',1,2]",
         "['a','b']|[1]"},
        {"{'prefixItems':[true,true],'items':false}", "[1,2]|[1]", "[1,2,3]"},
        {"{'items':{'type':'number'}}", "[]|[1,2]|'x'", "[1,'x']"},
        {"{'properties':{'a':{'type':'string'},'b':{'minimum':2}}}", "{}|{'a':'x','b':2,'c':0}|[]",
         "{'a':1}|{'b':1}"},
        {"{'properties':{'a':true,'b':false}}", "{'a':1}", "{'b':1}"},
        {"{'patternProperties':{'^n_':{'type':'number'},'x$':{'maximum':5}}}",
         "{'n_a':1,'y':'z'}|{'n_x':5}", "{'n_a':'s'}|{'n_x':6}|{'x':6}"},
        {"{'properties':{'a':true},'patternProperties':{'^b':true},"
         "'additionalProperties':{'type':'number'}}",
         "{'a':'s','b1':'s','c':1}", "{'c':'s'}"},
        {"{'additionalProperties':false}", "{}", "{'a':1}"},
        {"{'propertyNames':{'maxLength':3}}", "{}|{'abc':1}|{'水泵房':1}", "{'abcd':1}"},
        {"{'propertyNames':{'enum':['a']},'properties':{'a':{'type':'integer'}}}", "{'a':1}",
         "{'a':'x'}|{'b':1}"},
    };
    run_rows(rows, SH_COUNT(rows));
}

/* Core 2020-12, section 11 */
static void test_unevaluated(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'properties':{'a':true},'unevaluatedProperties':false}", "{}|{'a':1}", "{'b':1}"},
        {"{'allOf':[{'properties':{'a':true}}],'properties':{'b':true},"
         "'unevaluatedProperties':false}",
         "{'a':1,'b':1}", "{'c':1}"},
        {"{'anyOf':[{'properties':{'a':{'const':1}},'required':['a']},"
         "{'properties':{'b':{'const':1}},'required':['b']}],'unevaluatedProperties':false}",
         "{'a':1}|{'b':1}|{'a':1,'b':1}", "{'a':1,'b':2}|{'a':1,'c':1}"},
        {"{'if':{'properties':{'k':{'const':1}},'required':['k']},"
         "'then':{'properties':{'a':true}},'else':{'properties':{'b':true}},"
         "'unevaluatedProperties':false}",
         "{'k':1,'a':1}|{'b':1}", "{'k':1,'b':1}|{'a':1}|{'k':2}"},
        {"{'$ref':'#/$defs/"
         "x','unevaluatedProperties':false,'$defs':{'x':{'properties':{'a':true}}}}",
         "{'a':1}", "{'b':1}"},
        {"{'not':{'not':{'properties':{'a':true}}},'unevaluatedProperties':false}", "{}",
         "{'a':1}"},
        {"{'dependentSchemas':{'a':{'properties':{'b':true}}},'properties':{'a':true},"
         "'unevaluatedProperties':false}",
         "{'a':1,'b':1}", "{'b':1}"},
        {"{'additionalProperties':true,'unevaluatedProperties':false}", "{'z':1}", ""},
        {"{'unevaluatedProperties':{'type':'number'}}", "{'a':1}", "{'a':'s'}"},
        {"{'properties':{'o':{'properties':{'a':true}}},'unevaluatedProperties':false}",
         "{'o':{'a':1,'b':2}}", "{'a':1}"}, /* an inner object is looked at on its own */
        {"{'allOf':[{'unevaluatedProperties':true}],'unevaluatedProperties':false}", "{'a':1}", ""},
        {"{'prefixItems':[true],'unevaluatedItems':false}", "[]|[1]|{'a':1}", "[1,2]"},
        {"{'allOf':[{'prefixItems':[true,true]}],'unevaluatedItems':false}", "[1,2]", "[1,2,3]"},
        {"{'items':true,'unevaluatedItems':false}", "[1,2,3]", ""},
        {"{'contains':{'type':'string'},'unevaluatedItems':{'type':'number'}}", "['a',1]|[1,'a',2]",
         "['a',null]"},
        {"{'anyOf':[{'prefixItems':[{'const':1}]},{'prefixItems':[true,{'const':2}]}],"
         "'unevaluatedItems':false}",
         "[1]|[1,2]|[3,2]", "[3,3]|[1,3]"},
        {"{'oneOf':[{'properties':{'a':true},'required':['a']},"
         "{'properties':{'b':true},'required':['b']}],'unevaluatedProperties':false}",
         "{'a':1}", "{'a':1,'x':1}|{'a':1,'b':1}"},
    };
    run_rows(rows, SH_COUNT(rows));
}

/* Core 2020-12, sections 8 and 9 */
static void test_references(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'$ref':'#/$defs/a','$defs':{'a':{'type':'integer'}}}", "1", "'x'"},
        {"{'$ref':'#/$defs/a','maximum':5,'$defs':{'a':{'type':'integer'}}}", "1", "6|'x'"},
        {"{'properties':{'n':{'$ref':'#'}},'additionalProperties':false}", "{'n':{'n':{}}}",
         "{'n':{'m':1}}|{'x':1}"},
        {"{'$ref':'#/$defs/a~1b~0c%25d','$defs':{'a/b~c%d':{'type':'integer'}}}", "1", "'x'"},
        {"{'$ref':'#foo','$defs':{'x':{'$anchor':'foo','type':'integer'}}}", "1", "'x'"},
        {"{'$id':'http://h/root.json','$ref':'item.json','$defs':{'i':{'$id':'item.json',"
         "'type':'integer'}}}",
         "1", "'x'"},
        {"{'$id':'http://h/a/root.json','properties':{'x':{'$ref':'../b/t.json#/$defs/n'}},"
         "'$defs':{'t':{'$id':'/b/t.json','$defs':{'n':{'type':'integer'}}}}}",
         "{'x':1}", "{'x':'s'}"},
        {"{'$id':'http://h/r','$ref':'#/$defs/o/properties/p','$defs':{'o':{'$id':'sub',"
         "'properties':{'p':{'$ref':'#/$defs/q'}},'$defs':{'q':{'type':'integer'}}}}}",
         "1", "'x'"}, /* the base changes on the way of a pointer */
        {"{'prefixItems':[{'type':'integer'},{'$ref':'#/prefixItems/0'}]}", "[1,2]", "[1,'x']"},
        {"{'properties':{'$ref':{'type':'string'}}}", "{'$ref':'a'}", "{'$ref':1}"},
        {"{'$ref':'#/unknown/keyword','unknown':{'keyword':{'type':'integer'}}}", "1", "'x'"},
        {"{'$ref':'#/$defs/b','$defs':{'b':false}}", "", "1"},
        {"{'$ref':'https://json-schema.org/draft/2020-12/schema'}",
         "{'type':'integer'}|true|{'minimum':1}", "{'type':'no'}|{'minimum':'x'}|1"},
        /* a tree of nodes made strict by an extending resource (Core, 8.2.3.2) */
        {"{'$id':'http://h/strict','$dynamicAnchor':'node','$ref':'tree',"
         "'unevaluatedProperties':false,'$defs':{'t':{'$id':'tree','$dynamicAnchor':'node',"
         "'type':'object','properties':{'data':true,'children':{'type':'array',"
         "'items':{'$dynamicRef':'#node'}}}}}}",
         "{'children':[{'data':1}]}", "{'children':[{'daat':1}]}"},
        {"{'$dynamicRef':'#a','$defs':{'x':{'$anchor':'a','type':'integer'}}}", "1", "'x'"},
        {"{'const':{'$ref':'#/nowhere'}}", "{'$ref':'#/nowhere'}", "1"},
    };
    run_rows(rows, SH_COUNT(rows));
}

/* Validation 2020-12, section 7.3 */
static void test_formats(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"{'format':'date-time'}",
         "'2026-01-02T03:04:05Z'|'2026-01-02t03:04:05.678z'|'1998-12-31T23:59:60Z'|"
         "'1990-12-31T15:59:60-08:00'|'2026-01-02T03:04:05+08:00'|5",
         "'2026-01-02'|'2026-13-02T03:04:05Z'|'2026-02-29T03:04:05Z'|'2026-01-02T24:00:00Z'|"
         "'2026-01-02T03:04:05'|'2026-01-02T03:04:05.Z'|'1998-12-31T22:59:60Z'|"
         "'2026-01-02 03:04:05Z'|'2026-01-02T03:04:05+24:00'|''"},
        {"{'format':'date'}", "'2024-02-29'|'2000-02-29'",
         "'2023-02-29'|'1900-02-29'|'2026-1-02'|'2026-00-10'|'20260102'|'2026-04-31'"},
        {"{'format':'time'}", "'08:30:06Z'|'23:59:60Z'|'08:30:06.28+00:20'",
         "'08:30:06'|'8:30:06Z'|'24:00:00Z'|'08:30:06 Z'|'22:59:60Z'"},
        {"{'format':'email'}",
         "'a@b.cn'|'a.b+c@d-e.com'|'\\\"x y\\\"@b.cn'|'a@[127.0.0.1]'|'a@[IPv6:::1]'",
         "'a'|'@b'|'a@'|'.a@b.cn'|'a..b@c.cn'|'a.@b.cn'|'a b@c.cn'|'a@-b.cn'|'a@[300.0.0.1]'|''"},
        {"{'format':'uri'}",
         "'http://a.cn/b?c=d#e'|'urn:uuid:x'|'mailto:a@b'|'http://[::1]:80/x'|'ftp://u:p@h/'|"
         "'tel:+86-10'",
         "'/a'|'a'|'http:// a'|'http://a/%zz'|'http://[::1/x'|':x'|'http://h/a#b#c'|"
         "'http://h/[x]'|'http://h:a/'|'1http://h'"},
        {"{'format':'uri-reference'}", "'/a'|'a'|'#f'|'http://x'|''|'?q=1'",
         "'\\\\\\\\x'|'a b'|'%'"},
        {"{'format':'uuid'}", "'2EB8AA08-aa98-11ea-b4aa-73b441d16380'",
         "'2eb8aa08-aa98-11ea-b4aa-73b441d1638'|'2eb8aa08aa9811eab4aa73b441d16380'|"
         "'zeb8aa08-aa98-11ea-b4aa-73b441d16380'"},
        {"{'format':'ipv4'}", "'0.0.0.0'|'255.1.2.3'",
         "'256.1.1.1'|'1.2.3'|'1.2.3.4.5'|'01.2.3.4'|'1.2.3.4 '|'a.b.c.d'|'1.2.3.'"},
        {"{'format':'ipv6'}", "'::'|'::1'|'1::'|'1:2:3:4:5:6:7:8'|'::ffff:1.2.3.4'|'fe80::a:1'",
         "'1'|':1'|'1::2::3'|'12345::'|'1:2:3:4:5:6:7:8:9'|'1:2:3:4:5:6:7:1.2.3.4'|'::g'|'1:'"},
        {"{'format':'hostname'}", "'a'|'a-b.cn'|'123.com'", "'-a'|'a-'|'a..b'|'a_b'|''"},
        {"{'format':'no-such-format'}", "'x'", ""},
    };
    run_rows(rows, SH_COUNT(rows));
}

static void test_wrong_schema_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *schema;
        const char *path;
        sh_err expect;
    } rows[] = {
        {"3", "", SH_E_INVAL},
        {"[]", "", SH_E_INVAL},
        {"{'type':'strin'}", "/type", SH_E_INVAL},
        {"{'type':['string','string']}", "/type", SH_E_INVAL},
        {"{'type':[]}", "/type", SH_E_INVAL},
        {"{'properties':{'a':{'minimum':'x'}}}", "/properties/a/minimum", SH_E_INVAL},
        {"{'properties':[]}", "/properties", SH_E_INVAL},
        {"{'multipleOf':0}", "/multipleOf", SH_E_INVAL},
        {"{'maxLength':-1}", "/maxLength", SH_E_INVAL},
        {"{'maxLength':1.5}", "/maxLength", SH_E_INVAL},
        {"{'pattern':'('}", "/pattern", SH_E_INVAL},
        {"{'patternProperties':{'[':{}}}", "/patternProperties/[", SH_E_INVAL},
        {"{'required':'a'}", "/required", SH_E_INVAL},
        {"{'required':['a','a']}", "/required", SH_E_INVAL},
        {"{'allOf':[]}", "/allOf", SH_E_INVAL},
        {"{'anyOf':[1]}", "/anyOf/0", SH_E_INVAL},
        {"{'enum':3}", "/enum", SH_E_INVAL},
        {"{'$defs':{'unused':{'not':5}}}", "/$defs/unused/not", SH_E_INVAL},
        {"{'$ref':'#/nowhere'}", "/$ref", SH_E_INVAL},
        {"{'$ref':'#noanchor'}", "/$ref", SH_E_INVAL},
        {"{'$ref':5}", "/$ref", SH_E_INVAL},
        {"{'$ref':'http://other/x.json'}", "/$ref", SH_E_UNSUPPORTED},
        {"{'$id':'http://h/a#frag'}", "/$id", SH_E_INVAL},
        {"{'uniqueItems':1}", "/uniqueItems", SH_E_INVAL},
        {"{'dependentRequired':{'a':'b'}}", "/dependentRequired", SH_E_INVAL},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_schema *s = NULL;
        struct sh_diag d = {.line = 0};
        json_t *schema = parse(rows[i].schema);
        const sh_err err = sh_schema_new(&t.env, schema, &s, &d);
        json_decref(schema);
        if (err != rows[i].expect || strcmp(d.path, rows[i].path) != 0) {
            fail_msg("schema %s: %s at %s", rows[i].schema, sh_err_name(err), d.path);
        }
    }
    sh_test_env_fini(&t);
}

static void test_endless_work_ends_at_a_limit(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *doc;
    } rows[] = {
        {"{'$ref':'#'}", "1"},
        {"{'allOf':[{'$ref':'#'},{'$ref':'#'}]}", "1"},
        {"{'pattern':'^(a+)+$'}", "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'"},
    };
    struct sh_test_env t;
    sh_test_env_init(&t, NULL);
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct sh_schema *s = NULL;
        json_t *schema = parse(rows[i].schema);
        json_t *doc = parse(rows[i].doc);
        assert_ok(sh_schema_new(&t.env, schema, &s, NULL));
        assert_int_equal(sh_schema_check(s, doc, NULL, NULL, 1), SH_E_LIMIT);
        sh_schema_free(s);
        json_decref(schema);
        json_decref(doc);
    }
    sh_test_env_fini(&t);
}

struct faults {
    char text[512];
    size_t n;
};

static void note(void *ctx, const struct sh_schema_fault *f)
{
    struct faults *x = ctx;
    x->n += (size_t)snprintf(x->text + x->n, sizeof x->text - x->n, "%.*s:%s ", SH_PRI(f->path),
                             f->keyword);
}

static void test_every_fault_is_reported_with_its_pointer(void **state)
{
    (void)state;
    struct sh_test_env t;
    struct sh_schema *s = NULL;
    struct faults x = {.n = 0};
    sh_test_env_init(&t, NULL);
    json_t *schema = parse("{'required':['id'],'properties':{'a':{'items':{'type':'integer'}},"
                           "'x/y':{'maximum':1}},'additionalProperties':false}");
    json_t *doc = parse("{'a':[1,'s',2,null],'x/y':5,'z':0}");
    assert_ok(sh_schema_new(&t.env, schema, &s, NULL));
    assert_int_equal(sh_schema_check(s, doc, note, &x, 100), SH_E_INVAL);
    assert_string_equal(x.text, ":required /a/1:type /a/3:type /x~1y:maximum "
                                "/z:additionalProperties ");
    x.n = 0;
    assert_int_equal(sh_schema_check(s, doc, note, &x, 2), SH_E_INVAL);
    assert_string_equal(x.text, ":required /a/1:type ");
    sh_schema_free(s);
    json_decref(schema);
    json_decref(doc);
    sh_test_env_fini(&t);
}

static sh_err oom_body(struct sh_test_env *t)
{
    struct sh_schema *s = NULL;
    json_t *schema = parse("{'$ref':'#/$defs/a','$defs':{'a':{'properties':{'x':{'pattern':'a+'}},"
                           "'unevaluatedProperties':false}}}");
    json_t *doc = parse("{'x':'aa'}");
    sh_err err = sh_schema_new(&t->env, schema, &s, NULL);
    if (err == SH_OK) {
        err = sh_schema_check(s, doc, NULL, NULL, 1);
    }
    sh_schema_free(s);
    json_decref(schema);
    json_decref(doc);
    return err;
}

static void test_no_memory_is_survived(void **state)
{
    (void)state;
    sh_test_oom(oom_body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assertions),
        cmocka_unit_test(test_applicators),
        cmocka_unit_test(test_unevaluated),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_wrong_schema_is_refused_with_its_place),
        cmocka_unit_test(test_endless_work_ends_at_a_limit),
        cmocka_unit_test(test_every_fault_is_reported_with_its_pointer),
        cmocka_unit_test(test_no_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
