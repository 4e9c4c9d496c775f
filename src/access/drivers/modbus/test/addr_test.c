/* addr_test.c - the address grammar: what is understood, what is refused and where.
 * SPDX-License-Identifier: Apache-2.0 */
#include <sh/test.h>

#include "../mb_addr.h"

static const struct {
    const char *text;
    struct mb_addr a;
    enum sh_type type;
    const char *canonical;
} known[] = {
    {"40001", {0, 1, MB_HOLDING, MB_UINT16, MB_ABCD, MB_NO_BIT, 0, 0}, SH_T_I64, "4x1:uint16:ab"},
    {"400001", {0, 1, MB_HOLDING, MB_UINT16, MB_ABCD, MB_NO_BIT, 0, 0}, SH_T_I64, "4x1:uint16:ab"},
    {"465536",
     {65535, 1, MB_HOLDING, MB_UINT16, 0, MB_NO_BIT, 0, 0},
     SH_T_I64,
     "4x65536:uint16:ab"},
    {"49999", {9998, 1, MB_HOLDING, MB_UINT16, 0, MB_NO_BIT, 0, 0}, SH_T_I64, "4x9999:uint16:ab"},
    {"30010:int16", {9, 1, MB_INPUT, MB_INT16, 0, MB_NO_BIT, 0, 0}, SH_T_I64, "3x10:int16:ab"},
    {"3x100:float32:cdab",
     {99, 2, MB_INPUT, MB_FLOAT32, MB_CDAB, MB_NO_BIT, 0, 0},
     SH_T_F64,
     "3x100:float32:cdab"},
    {"4X10.3", {9, 1, MB_HOLDING, MB_BOOL, 0, 3, 0, 0}, SH_T_BOOL, "4x10.3"},
    {"4x10.15:bool", {9, 1, MB_HOLDING, MB_BOOL, 0, 15, 0, 0}, SH_T_BOOL, "4x10.15"},
    {"00001", {0, 1, MB_COIL, MB_BOOL, 0, MB_NO_BIT, 0, 0}, SH_T_BOOL, "0x1"},
    {"c0", {0, 1, MB_COIL, MB_BOOL, 0, MB_NO_BIT, 0, 0}, SH_T_BOOL, "0x1"},
    {"d7", {7, 1, MB_DISCRETE, MB_BOOL, 0, MB_NO_BIT, 0, 0}, SH_T_BOOL, "1x8"},
    {"10008", {7, 1, MB_DISCRETE, MB_BOOL, 0, MB_NO_BIT, 0, 0}, SH_T_BOOL, "1x8"},
    {"i5:uint32:badc",
     {5, 2, MB_INPUT, MB_UINT32, MB_BADC, MB_NO_BIT, 0, 0},
     SH_T_I64,
     "3x6:uint32:badc"},
    {"h65535",
     {65535, 1, MB_HOLDING, MB_UINT16, 0, MB_NO_BIT, 0, 0},
     SH_T_I64,
     "4x65536:uint16:ab"},
    {"h2:FLOAT64:DCBA",
     {2, 4, MB_HOLDING, MB_FLOAT64, MB_DCBA, MB_NO_BIT, 0, 0},
     SH_T_F64,
     "4x3:float64:dcba"},
    {"4x1:int64", {0, 4, MB_HOLDING, MB_INT64, 0, MB_NO_BIT, 0, 0}, SH_T_I64, "4x1:int64:abcd"},
    {"4x1:uint64:cdab",
     {0, 4, MB_HOLDING, MB_UINT64, MB_CDAB, MB_NO_BIT, 0, 0},
     SH_T_I64,
     "4x1:uint64:cdab"},
    {"4x1:bcd16:ba",
     {0, 1, MB_HOLDING, MB_BCD16, MB_BADC, MB_NO_BIT, 0, 0},
     SH_T_I64,
     "4x1:bcd16:ba"},
    {"4x1:bcd32", {0, 2, MB_HOLDING, MB_BCD32, 0, MB_NO_BIT, 0, 0}, SH_T_I64, "4x1:bcd32:abcd"},
    {"4x200:string20:gbk",
     {199, 10, MB_HOLDING, MB_STRING, 0, MB_NO_BIT, MB_GBK, 20},
     SH_T_TEXT,
     "4x200:string20:gbk:ab"},
    {"4x200:string7:ba",
     {199, 4, MB_HOLDING, MB_STRING, MB_BADC, MB_NO_BIT, MB_UTF8, 7},
     SH_T_TEXT,
     "4x200:string7:ba"},
    {"4x200:string246",
     {199, 123, MB_HOLDING, MB_STRING, 0, MB_NO_BIT, MB_UTF8, 246},
     SH_T_TEXT,
     "4x200:string246:ab"},
};

static void test_addr_known_forms_parse(void **state)
{
    (void)state;
    for (size_t i = 0; i < SH_COUNT(known); i++) {
        struct mb_addr a;
        char text[64];
        assert_ok(mb_addr_parse(sh_str_c(known[i].text), MB_ABCD, &a, NULL));
        assert_int_equal(a.at, known[i].a.at);
        assert_int_equal(a.count, known[i].a.count);
        assert_int_equal(a.area, known[i].a.area);
        assert_int_equal(a.type, known[i].a.type);
        assert_int_equal(a.order, known[i].a.order);
        assert_int_equal(a.bit, known[i].a.bit);
        assert_int_equal(a.text, known[i].a.text);
        assert_int_equal(a.text_size, known[i].a.text_size);
        assert_int_equal(mb_addr_value_type(&a), known[i].type);
        mb_addr_print(&a, text);
        assert_string_equal(text, known[i].canonical);
        struct mb_addr again;
        assert_ok(mb_addr_parse(sh_str_c(text), MB_DCBA, &again, NULL));
        assert_memory_equal(&again, &a, sizeof a);
    }
}

static void test_addr_device_order_is_the_default(void **state)
{
    (void)state;
    struct mb_addr a;
    assert_ok(mb_addr_parse(SH_STR("4x1:float32"), MB_CDAB, &a, NULL));
    assert_int_equal(a.order, MB_CDAB);
    assert_ok(mb_addr_parse(SH_STR("4x1:float32:abcd"), MB_CDAB, &a, NULL));
    assert_int_equal(a.order, MB_ABCD);
    assert_ok(mb_addr_parse(SH_STR("4x1"), MB_CDAB, &a, NULL)); /* one register has no word order */
    assert_int_equal(a.order, MB_ABCD);
    assert_ok(mb_addr_parse(SH_STR("4x1"), MB_DCBA, &a, NULL)); /* but a byte order */
    assert_int_equal(a.order, MB_BADC);
    assert_ok(mb_addr_parse(SH_STR("4x1.0"), MB_DCBA, &a, NULL));
    assert_int_equal(a.order, MB_ABCD);
}

static void test_addr_refusal_names_place_code_and_remedy(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *code;
        uint32_t column;
        uint32_t len;
    } rows[] = {
        {"", "modbus.place", 0, 0},
        {"pump", "modbus.place", 0, 4},
        {"20001", "modbus.place", 0, 5}, /* there is no area 2 */
        {"4001", "modbus.place", 0, 4},  /* neither five nor six digits */
        {"4000001", "modbus.place", 0, 7},
        {"4x", "modbus.place", 0, 2},
        {"h", "modbus.place", 0, 1},
        {"4x1a", "modbus.place", 0, 4},
        {"40000", "modbus.from_one", 0, 5},
        {"4x0", "modbus.from_one", 0, 3},
        {"4x65537", "modbus.range", 0, 7},
        {"h65536", "modbus.range", 0, 6},
        {"h65535:uint32", "modbus.range", 0, 13}, /* the second register is not there */
        {"4x10.16", "modbus.bit", 5, 2},
        {"4x10.", "modbus.bit", 5, 0},
        {"c5.1", "modbus.bit_area", 2, 2},
        {"4x1:float", "modbus.type_unknown", 4, 5},
        {"4x1:", "modbus.type_unknown", 4, 0},
        {"c1:int16", "modbus.type_area", 3, 5},
        {"4x1.2:int16", "modbus.type_area", 6, 5},
        {"4x1:bool", "modbus.type_bool", 4, 4},
        {"4x1:string", "modbus.string_length", 4, 6},
        {"4x1:string0", "modbus.string_length", 4, 7},
        {"4x1:string247", "modbus.string_length", 4, 9},
        {"4x1:float32:abdc", "modbus.option", 12, 4},
        {"4x1:float32:gbk", "modbus.option", 12, 3},
        {"4x1:float32:abcd:cdab:x", "modbus.trailing", 21, 2},
        {"4x1:float32.3", "modbus.trailing", 11, 2},
    };
    for (size_t i = 0; i < SH_COUNT(rows); i++) {
        struct mb_addr a;
        struct sh_drv_addr_error why = {0};
        assert_int_equal(mb_addr_parse(sh_str_c(rows[i].text), MB_ABCD, &a, &why), SH_E_INVAL);
        assert_string_equal(why.code, rows[i].code);
        assert_int_equal(why.column, rows[i].column);
        assert_int_equal(why.len, rows[i].len);
        const char *const words[] = {why.message_en, why.message_zh, why.remedy_en, why.remedy_zh};
        for (size_t k = 0; k < SH_COUNT(words); k++) {
            assert_true(words[k][0] != '\0');
            assert_true(strlen(words[k]) < 159); /* not cut */
            assert_true(sh_utf8_valid(sh_str_c(words[k])));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addr_known_forms_parse),
        cmocka_unit_test(test_addr_device_order_is_the_default),
        cmocka_unit_test(test_addr_refusal_names_place_code_and_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
