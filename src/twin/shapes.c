/* shapes.c - the shapes of documents as JSON Schemas: what they refuse is told with its JSON
 * pointer. SPDX-License-Identifier: Apache-2.0 */
#include "twin_int.h"

/* Written with ' for ". Members that only answers have are allowed and not stored. */
static const char device_shape[] =
    "{'type':'object','additionalProperties':false,'properties':{"
    "'id':{'type':'string'},'name':{'type':'string','maxLength':200},"
    "'thing':{'type':['string','null'],'maxLength':256},"
    "'asset':{'type':['string','null'],'maxLength':256},"
    "'labels':{'type':'object','maxProperties':64,'propertyNames':{'minLength':1,'maxLength':100},"
    "'additionalProperties':{'type':'string','maxLength':400}},"
    "'description':{'type':['string','null'],'maxLength':4000},"
    "'location':{'anyOf':[{'type':['null','string'],'maxLength':400},{'type':'object',"
    "'additionalProperties':false,'properties':{'lat':{'type':'number','minimum':-90,'maximum':90},"
    "'lon':{'type':'number','minimum':-180,'maximum':180},'alt':{'type':'number'},"
    "'text':{'type':'string','maxLength':400}}}]},"
    "'driver':{'type':['object','string','null']},'demo':{'type':'boolean'},"
    "'archived':{'type':['boolean','null']},"
    "'data_class':{'enum':['general','important','core',null]},"
    "'data_level':{'enum':[1,2,3,null]},"
    "'point_classes':{'type':['object','null'],'maxProperties':4096,"
    "'propertyNames':{'minLength':1,'maxLength':256,'pattern':'^[^\\\\u0000-\\\\u001f]+$'},"
    "'additionalProperties':{'type':'object','additionalProperties':false,'properties':{"
    "'data_class':{'enum':['general','important','core',null]},"
    "'data_level':{'enum':[1,2,3,null]}}}},'effective_class':true,'highest_class':true,"
    "'period_ms':{'type':['integer','null'],'minimum':1,'maximum':604800000},"
    "'state':true,'since':true,'points':true,'last_time':true,'write_enabled':true,'aliases':true,"
    "'created':true,'updated':true,'revision':true,'replaced':true,"
    "'renamed':true,'thing_revision':true}}";

static const char thing_shape[] =
    "{'type':'object','required':['properties'],'additionalProperties':false,'$defs':{"
    "'id':{'type':'string','minLength':1,'maxLength':128,'pattern':'^[^/\\\\u0000-\\\\u001f]+$'},"
    "'name':{'anyOf':[{'type':'string','maxLength':200},{'type':'object',"
    "'additionalProperties':{'type':'string','maxLength':200}}]},"
    "'type':{'enum':['bool','i64','f64','text','blob']},"
    "'from':{'type':'string','maxLength':256},"
    "'over':{'type':'array','maxItems':16,'items':{'type':'string','maxLength':40}},"
    "'field':{'type':'object','required':['id','type'],'additionalProperties':false,'properties':{"
    "'id':{'$ref':'#/$defs/id'},'name':{'$ref':'#/$defs/name'},'type':{'$ref':'#/$defs/type'},"
    "'unit':{'type':'string','maxLength':96},'required':{'type':'boolean'},"
    "'range':{'$ref':'#/$defs/range'},'enum':{'$ref':'#/$defs/enum'}}},"
    "'range':{'type':'object','additionalProperties':false,'properties':{'min':{'type':'number'},"
    "'max':{'type':'number'}}},"
    "'enum':{'type':'object','maxProperties':256,'propertyNames':{'minLength':1,'maxLength':64},"
    "'additionalProperties':{'$ref':'#/$defs/name'}}},"
    "'properties':{'id':{'type':'string'},'name':{'$ref':'#/$defs/name'},"
    "'description':{'anyOf':[{'type':['string','null'],'maxLength':4000},{'type':'object'}]},"
    "'version':{'type':['string','integer'],'maxLength':40},'demo':{'type':'boolean'},"
    "'extends':{'type':['string','null'],'maxLength':256},"
    "'comment':{'type':['string','null'],'maxLength':400},"
    "'data_class':{'enum':['general','important','core',null]},"
    "'data_level':{'enum':[1,2,3,null]},"
    "'revision':true,'shared':true,'created':true,'updated':true,'devices':true,'archived':true,"
    "'children':true,"
    "'properties':{'type':'array','maxItems':4096,'items':{'type':'object',"
    "'required':['id','type'],'additionalProperties':false,'properties':{"
    "'id':{'$ref':'#/$defs/id'},'name':{'$ref':'#/$defs/name'},'type':{'$ref':'#/$defs/type'},"
    "'description':{'anyOf':[{'type':'string','maxLength':4000},{'type':'object'}]},"
    "'unit':{'type':'string','maxLength':96},'range':{'$ref':'#/$defs/range'},"
    "'access':{'enum':['r','rw']},'scale':{'type':['object','null']},"
    "'data_class':{'enum':['general','important','core',null]},"
    "'data_level':{'enum':[1,2,3,null]},"
    "'enum':{'$ref':'#/$defs/enum'},'inherited':{'$ref':'#/$defs/from'},"
    "'overrides':{'$ref':'#/$defs/over'}}}},"
    "'events':{'type':'array','maxItems':1000,'items':{'type':'object','required':['id'],"
    "'additionalProperties':false,'properties':{'id':{'$ref':'#/$defs/id'},"
    "'name':{'$ref':'#/$defs/name'},'description':true,"
    "'level':{'enum':['info','warning','error']},'inherited':{'$ref':'#/$defs/from'},"
    "'overrides':{'$ref':'#/$defs/over'},"
    "'fields':{'type':'array','maxItems':256,'items':{'$ref':'#/$defs/field'}}}}},"
    "'services':{'type':'array','maxItems':1000,'items':{'type':'object','required':['id'],"
    "'additionalProperties':false,'properties':{'id':{'$ref':'#/$defs/id'},"
    "'name':{'$ref':'#/$defs/name'},'description':true,"
    "'inherited':{'$ref':'#/$defs/from'},'overrides':{'$ref':'#/$defs/over'},"
    "'input':{'type':'array','maxItems':256,'items':{'$ref':'#/$defs/field'}},"
    "'output':{'type':'array','maxItems':256,'items':{'$ref':'#/$defs/field'}}}}}}}";

static const char asset_shape[] =
    "{'type':'object','required':['kind','name'],'additionalProperties':false,'properties':{"
    "'id':{'type':'string'},'kind':{'enum':['enterprise','site','area','line','cell']},"
    "'name':{'anyOf':[{'type':'string','minLength':1,'maxLength':200},{'type':'object',"
    "'minProperties':1,'additionalProperties':{'type':'string','maxLength':200}}]},"
    "'parent':{'type':['string','null'],'maxLength':256},"
    "'description':{'type':['string','null'],'maxLength':4000},'demo':{'type':'boolean'},"
    "'location':{'type':['object','null'],'additionalProperties':false,'required':['lat','lon'],"
    "'properties':{'lat':{'type':'number','minimum':-90,'maximum':90},'lon':{'type':'number',"
    "'minimum':-180,'maximum':180},'text':{'type':'string','maxLength':400}}},"
    "'revision':true}}";

static const char command_shape[] =
    "{'type':'object','additionalProperties':false,'oneOf':["
    "{'required':['service'],'properties':{'property':false}},"
    "{'required':['property','value'],'properties':{'service':false}}],'properties':{"
    "'service':{'type':'string','minLength':1,'maxLength':128},"
    "'property':{'type':'string','minLength':1,'maxLength':256},'value':true,'confirm':true,"
    "'id':{'type':'string','minLength':1,'maxLength':64,'pattern':'^[A-Za-z0-9_.-]+$'},"
    "'timeout_ms':{'type':'integer','minimum':100,'maximum':86400000}}}";

static sh_err compile(struct sh_twin *t, const char *shape, size_t n, struct sh_schema **out)
{
    struct sh_buf text;
    struct sh_diag diag = {.line = 0};
    json_t *json = NULL;
    sh_buf_init(&text, t->env->alloc, n);
    sh_err err = sh_buf_put(&text, shape, n);
    for (size_t i = 0; i < text.n; i++) {
        text.p[i] = text.p[i] == '\'' ? '"' : text.p[i];
    }
    if (err == SH_OK) {
        err = sh_json_parse(sh_buf_str(&text), n, &json, &diag);
    }
    if (err == SH_OK) {
        err = sh_schema_new(t->env, json, out, &diag);
    }
    SH_ASSERT(err == SH_OK || err == SH_E_NOMEM);
    json_decref(json);
    sh_buf_fini(&text);
    return err;
}

sh_err twin_shapes_new(struct sh_twin *t)
{
    SH_TRY(compile(t, device_shape, sizeof device_shape - 1, &t->device_schema));
    SH_TRY(compile(t, thing_shape, sizeof thing_shape - 1, &t->thing_schema));
    SH_TRY(compile(t, asset_shape, sizeof asset_shape - 1, &t->asset_schema));
    return compile(t, command_shape, sizeof command_shape - 1, &t->command_schema);
}
