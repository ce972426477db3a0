/* tests/test_adapters.c -- other people's forms: small files in each original style, what must come out, and one fault after the other. */
#include "prepare_util.h"
#include "suite.h"

static void use_fixture(const char *name)
{
    ck_assert_int_eq(system(arena_printf(arena, "rm -rf '%s' && cp -r tests/fixtures/adapters/%s '%s'", in_scratch("raw"), name, in_scratch("raw"))), 0);
    entry.n_files = 0;
}

/* Texts of the item with this id. */
static const ItemText *text_of(const Dataset *d, const char *id)
{
    for (int64_t i = 0; i < d->N; i++)
        if (strcmp(d->text[i].id, id) == 0) return &d->text[i];
    ck_abort_msg("no item %s", id);
    return NULL;
}

START_TEST(lcrec_files_are_read)
{
    use_fixture("lc-rec");
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "USER0:B000,B001 USER1:B003 USER2:B005,B000,B001 USER3:B002,B005");
    ck_assert_str_eq(rows_text(d, &d->valid, "out", true), "USER0:B000,B001>B002 USER1:B003>B003 USER2:B005,B000,B001>B002");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "USER0:B000,B001,B002>B001 USER1:B003,B003>B004 USER2:B005,B000,B001,B002>B003");
    ck_assert_str_eq(text_of(d, "B000")->title, "Feeler gauge, 32 blades");
    ck_assert_str_eq(text_of(d, "B000")->description, "Blades from 0.04 to 0.88 mm. Steel."); /* a Python list in a text */
    ck_assert_str_eq(text_of(d, "B002")->description, "A plain description.");
    ck_assert_str_eq(text_of(d, "B003")->title, "Hook\\loop tape, 3\xc2\xa0m");
    ck_assert_str_eq(text_of(d, "B004")->description, "One. Two's");
    ck_assert_str_eq(text_of(d, "B005")->description, "[not a list");
    ck_assert_str_eq(text_of(d, "B000")->categories, "Tools,Measuring"); /* as it stands: names may hold commas */
    ck_assert_double_eq(meta_number("out", "input.rules.descriptions_that_were_python_lists"), 3);
    ck_assert_int_eq(unlink(in_scratch("raw/Tools.item2id")), 0);
    ck_assert_int_eq(unlink(in_scratch("raw/Tools.user2id")), 0);
    d = prepare_load("numbers");
    ck_assert_str_eq(train_text(d, "numbers"), "0:0,1 1:3 2:5,0,1 3:2,5");
    ck_assert_int_eq(unlink(in_scratch("raw/Tools.item.json")), 0);
    d = prepare_load("bare");
    ck_assert_str_eq(train_text(d, "bare"), "0:0,1 1:3 2:5,0,1 3:2,5");
    ck_assert_double_eq(meta_number("bare", "text.title"), 0);
}
END_TEST

START_TEST(minionerec_rows_are_kept)
{
    use_fixture("minionerec");
    settings.protocol = "chrono-8-1-1";
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "A0:0,1,2 A1:3,3,4 A2:5,0,1,2 A3:2,5");
    ck_assert_str_eq(rows_text(d, &d->valid, "out", false), "A2:5,0,1,2>3");
    ck_assert_str_eq(rows_text(d, &d->test, "out", false), "A0:0,1,2>1");
    ck_assert_double_eq(meta_number("out", "counts.train_rows"), 8);
    ck_assert_double_eq(meta_number("out", "counts.interactions"), 14);
    ck_assert_str_eq(text_of(d, "3")->title, "Hook\\loop tape, 3\xc2\xa0m");
    ck_assert_double_eq(meta_number("out", "input.rules.row_titles_unlike_the_catalogue"), -1); /* none */
    settings.protocol = "leave-last-out";
    d = prepare_load("last");
    ck_assert_str_eq(rows_text(d, &d->test, "last", true), "A0:0,1,2>1 A1:3,3>4 A2:5,0,1,2>3");
    settings.protocol = "chrono-8-1-1";
    settings.filter.core_items = 2; /* items 4 goes, and with it a shipped row */
    ck_assert_int_eq(prepare_run("core"), E_INPUT);
    ck_assert_ptr_nonnull(strstr(status_message(), "the rows that came with the data hold 14 events"));
    settings.filter.core_items = 1;
    ck_assert_int_eq(unlink(in_scratch("raw/index/Tools.item.json")), 0); /* titles from info/ */
    d = prepare_load("info");
    ck_assert_str_eq(text_of(d, "5")->title, "Say \"it's done\" stamp");
    ck_assert_str_eq(text_of(d, "5")->description, "");
    ck_assert_int_eq(unlink(in_scratch("raw/info/Tools_5_2016-10-2018-11.txt")), 0); /* titles from the rows' targets */
    d = prepare_load("rows");
    ck_assert_str_eq(text_of(d, "5")->title, "Say \"it's done\" stamp");
    ck_assert_str_eq(text_of(d, "4")->title, "Caf\xc3\xa9 apron, \"large\"");
}
END_TEST

START_TEST(recbole_tables_are_read)
{
    use_fixture("recbole");
    Dataset *d = prepare_load("out"); /* lines stand in order of the item; times give the sequences */
    ck_assert_str_eq(train_text(d, "out"), "u0:B000,B001 u1:B003 u2:B005,B000,B001 u3:B002,B005");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "u0:B000,B001,B002>B001 u1:B003,B003>B004 u2:B005,B000,B001,B002>B003");
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("out/test.tsv"), NULL), "\t1400003000\n"));
    ck_assert_str_eq(text_of(d, "B001")->title, "Bench vise 4\" jaws");
    ck_assert_str_eq(text_of(d, "B001")->brand, "Grip & Co");
    ck_assert_str_eq(text_of(d, "B001")->categories, "Tools,Vises");
    use_fixture("recbole-benchmark"); /* the latest row first, windows of two items */
    d = prepare_load("rows");
    ck_assert_str_eq(train_text(d, "rows"), "0:0,1 1:3 2:5,0,1 3:2,5");
    ck_assert_str_eq(rows_text(d, &d->test, "rows", true), "0:0,1,2>1 1:3,3>4 2:5,0,1,2>3");
    settings.protocol = "chrono-8-1-1";
    ck_assert_int_eq(prepare_run("exact"), E_INPUT); /* a split by user does not become one by time under another name */
    ck_assert_ptr_nonnull(strstr(status_message(), "(3 train, 3 valid, 4 test) are no chrono-8-1-1 split, but leave-last-out"));
}
END_TEST

/* A field in quotes is read as pandas reads it; an unbalanced one stays as it is, and is counted. */
START_TEST(recbole_quotes)
{
    use_fixture("recbole");
    write_text(in_scratch("raw/tools.item"), "item_id:token\ttitle:token_seq\nB000\t\"Say \"\"ah\"\"\"\nB001\t\"Big\" vise\nB002\t\"\nB003\t\"\"\nB004\tan \"inner\" one\nB005\tx\r\n");
    Dataset *d = prepare_load("out");
    static const char *const titles[] = {"Say \"ah\"", "\"Big\" vise", "\"", "", "an \"inner\" one", "x"};
    for (int i = 0; i < 6; i++) ck_assert_str_eq(text_of(d, arena_printf(arena, "B00%d", i))->title, titles[i]);
    ck_assert_double_eq(meta_number("out", "input.rules.unbalanced_quotes_taken_literally"), 2);
}
END_TEST

START_TEST(sasrec_text_is_read)
{
    use_fixture("sasrec");
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "1:1,2 2:4 3:6,1,2 4:3,6");
    ck_assert_str_eq(rows_text(d, &d->test, "out", true), "1:1,2,3>2 2:4,4>5 3:6,1,2,3>4");
    ck_assert_str_eq(text_of(d, "4")->keywords, "attribute_4 attribute_7");
    ck_assert_str_eq(text_of(d, "4")->title, "");
    use_fixture("sasrec-pairs");
    d = prepare_load("pairs");
    ck_assert_str_eq(train_text(d, "pairs"), "1:1,2 2:4 3:6,1,2 4:3,6");
    ck_assert_str_eq(rows_text(d, &d->test, "pairs", true), "1:1,2,3>2 2:4,4>5 3:6,1,2,3>4");
}
END_TEST

/* ---- faults ---- */

typedef struct BadFile { const char *fixture, *file, *text, *message; } BadFile;

static const char CSV[] = "user_id,history_item_title,item_title,history_item_id,item_id,history_item_sid,item_sid\n";

static const BadFile bad_files[] = {
    /* LC-Rec */
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1, 2],\n \"1\": [3, 3", "Tools.inter.json:2: the file ends inside a value"},
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1, 2]", "Tools.inter.json:1: the file ends inside a value"},
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1, 2]}\n{", "Tools.inter.json:2: something follows the object"},
    {"lc-rec", "Tools.inter.json", "[[0, 1, 2]]", "Tools.inter.json:1: expected one JSON object"},
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1,, 2],\n\"1\": [3]}", "Tools.inter.json:1: malformed JSON"},
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1],\n\"1\": [3, 77]}", "Tools.inter.json:2: item `77` of user 1 is not in the catalogue"},
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1],\n\"0\": [3]}", "Tools.inter.json:2: user 0 is there already"},
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1.5]}", "Tools.inter.json:1: user 0: an item is neither"},
    {"lc-rec", "Tools.inter.json", "{\"0\": [0, 1],\n\n\"u 1\": [3]}", "Tools.inter.json:3: user u 1: white space in an id"},
    {"lc-rec", "Tools.inter.json", "{\"0\": {\"a\": 1}}", "Tools.inter.json:1: user 0: not a list"},
    {"lc-rec", "Tools.inter.json", "{\"\xff\": [0]}", "Tools.inter.json:1: bytes that are no UTF-8"},
    {"lc-rec", "Tools.item.json", "{\"0\": {\"title\": \"a\\u0000b\"}}", "Tools.item.json:1: NUL in a text"},
    {"lc-rec", "Tools.item.json", "{\"0\": {\"title\": 7}}", "Tools.item.json:1: \"title\" is neither a text nor a list"},
    {"lc-rec", "Tools.item.json", "{\"0\": {},\n\"0\": {}}", "Tools.item.json:2: item 0 is there already"},
    {"lc-rec", "Tools.item.json", "{\"0\": \"a title\"}", "Tools.item.json:1: item 0 is no object"},
    {"lc-rec", "Tools.item2id", "B0\t0\nB0\t1\n", "Tools.item2id:2: an id or number that was there already"},
    {"lc-rec", "Tools.item2id", "B0 0\n", "Tools.item2id:1: malformed line"},
    {"lc-rec", "Tools.user2id", "U0\t0\nU1\t1\nU2\t2\n", "Tools.user2id: no raw id for 3"},
    /* MiniOneRec */
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "", "csv:1: the file is empty"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "user_id,item_id\nA0,1\n", "csv:1: expected the columns"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "user_id,user_id,history_item_id,item_id\n", "csv:1: a column twice"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['x'],y,[0],1,['z']\n", "csv:2: another number of cells than the header"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['x'],y,[0],1,['z'],\"s\n", "csv:2: the file ends inside a quoted cell"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['x'],\"y\"z,[0],1,['z'],s\n", "csv:2: text behind a closing quote"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['x'],y,\"[0, 1\",1,['z'],s\n", "csv:2: history_item_id is no Python list"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,[],y,[],1,[],s\n", "csv:2: history_item_id is empty"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['x'],y,[99],1,['z'],s\n", "csv:2: an item of the history is not in the catalogue"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['x'],y,[0],99,['z'],s\n", "csv:2: item_id is not in the catalogue"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,\"['x', 'y']\",y,[0],1,['z'],s\n", "csv:2: history_item_title and history_item_id differ in length"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['x'],y,[0],1,\"['z', 'z']\",s\n", "csv:2: history_item_sid and history_item_id differ in length"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%,['x'],y,[0],1,['z'],s\n", "csv:2: an empty id"},
    {"minionerec", "train/Tools_5_2016-10-2018-11.csv", "%A0,['\xff'],y,[0],1,['z'],s\n", "csv:2: bytes that are no UTF-8"},
    {"minionerec", "valid/Tools_5_2016-10-2018-11.csv", "%A2,['x'],y,[4],3,['z'],s\n", "csv:2: the history is no end of user A2's sequence"},
    {"minionerec", "index/Tools.item.json", "{", "Tools.item.json:1: the file ends inside the object"},
    /* RecBole */
    {"recbole", "tools.inter", "", "tools.inter:1: the file is empty"},
    {"recbole", "tools.inter", "user_id\titem_id\n", "tools.inter:1: a field of the header has no type"},
    {"recbole", "tools.inter", "user_id:token\trating:float\n", "tools.inter:1: expected the fields user_id"},
    {"recbole", "tools.inter", "user_id:token\titem_id:token\nu0\tB000\nu0\tB001\tx\n", "tools.inter:3: another number of fields"},
    {"recbole", "tools.inter", "user_id:token\titem_id:token\nu0\tB000\nu0\tB999\n", "tools.inter:3: this item is not in the .item file"},
    {"recbole", "tools.inter", "user_id:token\titem_id:token\ttimestamp:float\nu0\tB000\t12\n", "tools.inter:2: timestamp is neither"},
    {"recbole", "tools.inter", "user_id:token\titem_id:token\ttimestamp:float\nu0\tB000\t1400000000.5\n", "tools.inter:2: timestamp is neither"},
    {"recbole", "tools.inter", "user_id:token\titem_id:token\nu0\tB000\n \tB000\n", "tools.inter:3: white space in an id"},
    {"recbole", "tools.inter", "user_id:token\titem_id:token\tposition:float\nu0\tB000\t0\nu0\tB001\t2\n", "tools.inter:3: position is not"},
    {"recbole", "tools.inter", "user_id:token\titem_id:token\nu0\tB000\nu\xff\tB000\n", "tools.inter:3: bytes that are no UTF-8"},
    {"recbole", "tools.item", "item_id:token\nB000\nB000\n", "tools.item:3: this item has a line already"},
    {"recbole", "tools.train.inter", "user_id:token\titem_id_list:token_seq\titem_id:token\n", "only some of tools.{train,valid,test}.inter"},
    {"recbole-benchmark", "tools.train.inter", "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t\t1\n", "tools.train.inter:2: item_id_list is empty"},
    {"recbole-benchmark", "tools.train.inter", "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t1  2\t1\n", "tools.train.inter:2: item_id_list is not ids"},
    {"recbole-benchmark", "tools.train.inter", "user_id:token\titem_id:token\n0\t1\n", "tools.train.inter:1: expected the fields"},
    {"recbole-benchmark", "tools.valid.inter", "user_id:token\titem_id_list:token_seq\titem_id:token\n0\t7 1\t2\n", "tools.valid.inter:2: the history is no end"},
    /* S3-Rec, SASRec */
    {"sasrec", "Tools.txt", "1 2 3\n2 4 x\n", "Tools.txt:2: expected `user item item ...`"},
    {"sasrec", "Tools.txt", "1 2 3\n2  4 5\n", "Tools.txt:2: expected `user item item ...`"},
    {"sasrec", "Tools.txt", "1 2 3\n1 4 5\n", "Tools.txt:2: user 1 has a line already"},
    {"sasrec", "Tools.txt", "1 2 3\n2\n", "Tools.txt:2: expected `user item item ...`"},
    {"sasrec", "Tools.txt", "1 2 3\n-2 3 4\n", "Tools.txt:2: expected `user item item ...`"},
    {"sasrec", "Tools.txt", "1 2 3\n9999999999999999999 3 4\n", "Tools.txt:2: expected `user item item ...`"},
    {"sasrec", "Tools_item2attributes.json", "{\"1\": [1, 2.5]}", "attributes.json:1: an attribute is no whole number"},
    {"sasrec", "Tools_item2attributes.json", "{\"1\": 3}", "attributes.json:1: expected {\"item\""},
    {"sasrec", "Tools_item2attributes.json", "{\"1\": [3", "attributes.json:1: the file ends inside a value"},
    {"sasrec-pairs", "Tools.txt", "1 2\n1 3\n1 3 4\n", "Tools.txt:3: expected `user item`"},
    {"sasrec-pairs", "Tools.txt", "1 2\n1 3\n1\n", "Tools.txt:3: expected `user item`"}};

START_TEST(faults_are_named_with_file_and_line)
{
    const BadFile *bad = &bad_files[_i];
    use_fixture(bad->fixture);
    write_text(in_scratch(arena_printf(arena, "raw/%s", bad->file)), bad->text[0] == '%' ? arena_printf(arena, "%s%s", CSV, bad->text + 1) : bad->text);
    assert_fails(E_INPUT, bad->message);
}
END_TEST

/* With --max-loss a rejected row is counted and listed, and the rest is used. */
START_TEST(rejected_records_are_counted)
{
    use_fixture("lc-rec");
    write_text(in_scratch("raw/Tools.inter.json"), "{\"0\": [0, 77, 1, 2], \"1\": 5, \"2\": [5, 0, 1], \"3\": [2, 5]}");
    settings.max_loss = 0.5;
    Dataset *d = prepare_load("out");
    ck_assert_str_eq(train_text(d, "out"), "USER0:B000 USER2:B005 USER3:B002,B005");
    ck_assert_double_eq(meta_number("out", "input.interactions_read"), 10);
    ck_assert_double_eq(meta_number("out", "input.interactions_rejected"), 2);
    ck_assert_double_eq(meta_number("out", "input.kinds.unknown"), 1);
    ck_assert_double_eq(meta_number("out", "input.kinds.field"), 1);
    ck_assert_ptr_nonnull(strstr(read_bytes(in_scratch("out/rejected.tsv"), NULL), "Tools.inter.json\t1\tunknown\titem `77` of user 0"));
}
END_TEST

START_TEST(truncated_streams_stop_the_run)
{
    use_fixture("lc-rec");
    settings.max_loss = 1;
    ck_assert_int_eq(system(arena_printf(arena, "cd '%s' && gzip -c Tools.inter.json > t && head -c 50 t > Tools.inter.json", in_scratch("raw"))), 0);
    assert_fails(E_INPUT, "Tools.inter.json");
    ck_assert_ptr_nonnull(strstr(status_message(), "truncated"));
}
END_TEST

/* ---- which form is it ---- */

START_TEST(ambiguous_folders_are_refused)
{
    use_fixture("lc-rec");
    ck_assert_int_eq(system(arena_printf(arena, "cp tests/fixtures/adapters/recbole/* '%s'", in_scratch("raw"))), 0);
    assert_fails(E_INPUT, "files of several forms are here: lc-rec and recbole");
    ck_assert_ptr_nonnull(strstr(status_fix(), "--form"));
    settings.form = "recbole";
    ck_assert_str_eq(train_text(prepare_load("r"), "r"), "u0:B000,B001 u1:B003 u2:B005,B000,B001 u3:B002,B005");
    settings.form = "lc-rec";
    ck_assert_str_eq(train_text(prepare_load("l"), "l"), "USER0:B000,B001 USER1:B003 USER2:B005,B000,B001 USER3:B002,B005");
    settings.form = "minionerec";
    assert_fails(E_INPUT, "are here");
}
END_TEST

START_TEST(stems_are_chosen_or_asked_for)
{
    use_fixture("sasrec");
    write_text(in_scratch("raw/Toys.txt"), "1 5 6 7\n2 7 6 5\n");
    assert_fails(E_INPUT, "sasrec files of several data sets: Tools, Toys");
    ck_assert_ptr_nonnull(strstr(status_fix(), "--stem"));
    settings.stem = "Toys";
    ck_assert_str_eq(train_text(prepare_load("wanted"), "wanted"), "1:5 2:7");
    settings.stem = "Books";
    assert_fails(E_INPUT, "no sasrec files named Books; here are Tools, Toys");
    settings.stem = NULL;
    entry.name = "toys"; /* the data set's own name decides, in any case */
    ck_assert_str_eq(train_text(prepare_load("own"), "own"), "1:5 2:7");
    use_fixture("minionerec");
    settings.stem = "Tools"; /* a beginning will do */
    ck_assert_int_eq(prepare_run("short"), OK);
}
END_TEST

START_TEST(programs_take_own_files_under_a_new_name)
{
    const char *own = arena_printf(arena, "--dataset mine --form recbole --raw tests/fixtures/adapters/recbole --k-core 1 --out '%s'", in_scratch("out"));
    ck_assert_msg(run_program("02_preprocess", own) == 0, "%s", program_output);
    ck_assert_int_eq(run_program("02_preprocess", arena_printf(arena, "--dataset mine --raw tests/fixtures/adapters/recbole --out '%s'", in_scratch("out"))), 2);
    assert_said("say with --form what your own files are");
    ck_assert_int_eq(run_program("02_preprocess", arena_printf(arena, "--dataset ../x --form recbole --raw tests/fixtures/adapters/recbole --out '%s'", in_scratch("out"))), 2);
    assert_said("is no name for a data set");
    const char *link = arena_printf(arena, "--dataset mine --form minionerec --source tests/fixtures/adapters/minionerec --lock '%s' --out '%s'", in_scratch("lock"), in_scratch("links"));
    ck_assert_msg(run_program("01_download", link) == 0, "%s", program_output);
    ck_assert(path_exists(in_scratch("links/train/Tools_5_2016-10-2018-11.csv")));
    ck_assert(path_exists(in_scratch("links/index/Tools.item.json")));
    ck_assert_msg(run_program("02_preprocess", arena_printf(arena, "--dataset mine --form auto --registry data_prep/datasets.json --raw '%s' --out x", in_scratch("links"))) == 2, "%s", program_output);
    ck_assert_msg(run_program("02_preprocess", arena_printf(arena, "--dataset mine --form minionerec --protocol chrono-8-1-1 --k-core 1 --raw '%s' --out '%s'", in_scratch("links"), in_scratch("mini"))) == 0,
                  "%s", program_output);
    ck_assert_double_eq(meta_number("mini", "counts.test_rows"), 1);
    /* a mirror of files cannot be listed: the form and the stem say what to fetch */
    char *here = realpath("tests/fixtures/adapters", NULL);
    const char *remote = arena_printf(arena, "--dataset mine --form lc-rec --stem Tools --source 'file://%s/lc-rec' --lock '%s' --out '%s'", here, in_scratch("lock"), in_scratch("fetched"));
    ck_assert_msg(run_program("01_download", remote) == 0, "%s", program_output);
    ck_assert(same_bytes("tests/fixtures/adapters/lc-rec/Tools.inter.json", in_scratch("fetched/Tools.inter.json")));
    ck_assert(same_bytes("tests/fixtures/adapters/lc-rec/Tools.index.json", in_scratch("fetched/Tools.index.json")));
    free(here);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("adapters");
    TCase *t = tcase_create("forms");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, prepare_setup, prepare_teardown);
    tcase_add_test(t, lcrec_files_are_read);
    tcase_add_test(t, minionerec_rows_are_kept);
    tcase_add_test(t, recbole_tables_are_read);
    tcase_add_test(t, recbole_quotes);
    tcase_add_test(t, sasrec_text_is_read);
    tcase_add_loop_test(t, faults_are_named_with_file_and_line, 0, (int)(sizeof bad_files / sizeof *bad_files));
    tcase_add_test(t, rejected_records_are_counted);
    tcase_add_test(t, truncated_streams_stop_the_run);
    tcase_add_test(t, ambiguous_folders_are_refused);
    tcase_add_test(t, stems_are_chosen_or_asked_for);
    tcase_add_test(t, programs_take_own_files_under_a_new_name);
    suite_add_tcase(s, t);
    return suite_run(s);
}
