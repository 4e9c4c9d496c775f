/* schema_value.c - JSON values as JSON Schema compares them (Core 4.2.2): numbers by value.
 * SPDX-License-Identifier: Apache-2.0 */
#include "schema_int.h"

#include <float.h>
#include <math.h>

struct sh_str schema_str(const json_t *v)
{
    return (struct sh_str){json_string_value(v), json_string_length(v)};
}

/* Exact for every i64 and double on machines with a 64-bit mantissa. */
static long double number(const json_t *v)
{
    return json_is_integer(v) ? (long double)json_integer_value(v)
                              : (long double)json_real_value(v);
}

int schema_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        const json_int_t x = json_integer_value(a);
        const json_int_t y = json_integer_value(b);
        return (x > y) - (x < y);
    }
    const long double x = number(a);
    const long double y = number(b);
    return (x > y) - (x < y);
}

static bool objects_equal(const json_t *a, const json_t *b)
{
    json_t *obj = (json_t *)(uintptr_t)a;
    if (json_object_size(a) != json_object_size(b)) {
        return false;
    }
    for (void *it = json_object_iter(obj); it != NULL; it = json_object_iter_next(obj, it)) {
        const json_t *other = json_object_get(b, json_object_iter_key(it));
        if (other == NULL || !schema_equal(json_object_iter_value(it), other)) {
            return false;
        }
    }
    return true;
}

bool schema_equal(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) {
        return schema_compare(a, b) == 0;
    }
    if (json_typeof(a) != json_typeof(b)) {
        return false;
    }
    if (json_is_string(a)) {
        return sh_str_eq(schema_str(a), schema_str(b));
    }
    if (json_is_array(a)) {
        if (json_array_size(a) != json_array_size(b)) {
            return false;
        }
        for (size_t i = 0; i < json_array_size(a); i++) {
            if (!schema_equal(json_array_get(a, i), json_array_get(b, i))) {
                return false;
            }
        }
        return true;
    }
    return json_is_object(a) ? objects_equal(a, b) : true;
}

/* Decimal fractions are not exact in binary: a quotient within rounding of a whole number counts.
 */
bool schema_multiple(const json_t *v, const json_t *of)
{
    if (json_is_integer(v) && json_is_integer(of)) {
        return json_integer_value(v) % json_integer_value(of) == 0;
    }
    const double x = json_number_value(v);
    const double m = json_number_value(of);
    const double q = x / m;
    if (isinf(q)) {
        return fmod(x, m) == 0.0;
    }
    const double slack = fmax(1e-9, fabs(q) * 4 * DBL_EPSILON);
    return fabs(q - rint(q)) <= slack;
}

unsigned schema_type_of(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        return SCHEMA_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return SCHEMA_BOOL;
    case JSON_OBJECT:
        return SCHEMA_OBJECT;
    case JSON_ARRAY:
        return SCHEMA_ARRAY;
    case JSON_STRING:
        return SCHEMA_STRING;
    case JSON_INTEGER:
        return SCHEMA_NUMBER | SCHEMA_INTEGER;
    case JSON_REAL: {
        const double d = json_real_value(v);
        return trunc(d) == d ? SCHEMA_NUMBER | SCHEMA_INTEGER : SCHEMA_NUMBER;
    }
    }
    return 0;
}

int64_t schema_count(const json_t *v)
{
    if (json_is_integer(v)) {
        return json_integer_value(v) < 0 ? -1 : json_integer_value(v);
    }
    const double d = json_is_real(v) ? json_real_value(v) : -1.0;
    return d >= 0 && d < 9e15 && trunc(d) == d ? (int64_t)d : -1;
}
