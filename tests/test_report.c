/* tests/test_report.c -- the report, its tables, and the check against reference results, on a fixture run with invented numbers. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eval/curves.h"
#include "eval/expected.h"
#include "eval/markup.h"
#include "eval/report.h"
#include "eval/results.h"
#include "report_world.h"
#include "suite.h"

/* ------------------------------------------------------------------ tables */

static Table *small_table(void)
{
    Table *t = table_create(arena, "small", "A & B");
    table_column(t, COLUMN_TEXT, "Method", 0);
    table_column(t, COLUMN_SPREAD, "HR@10", 3);
    table_column(t, COLUMN_INTERVAL, "Δ", 2);
    table_column(t, COLUMN_COUNT, "Rows", 0);
    table_column(t, COLUMN_CHANGE, "rel", 1);
    table_group(t, "Group_1");
    table_row(t);
    table_text(t, "x | \"y\", <z>");
    table_spread(t, (Spread){3, 0.12345678, 0.0011});
    table_interval(t, 0.014, -0.01, 0.02);
    table_number(t, 1234567);
    table_number(t, 0.1234);
    table_row(t);
    table_text(t, "one seed");
    table_spread(t, (Spread){1, 0.2, 0});
    for (int i = 0; i < 3; i++) table_none(t);
    table_best(t, 1, NULL, 0);
    table_note(t, "a %s", "note");
    return t;
}

START_TEST(table_forms)
{
    const Table *t = small_table();
    const char *md = printed(table_markdown, t), *csv = printed(table_csv, t), *tex = printed(table_latex, t), *html = printed(table_html, t), *plain = printed(table_plain, t);
    contains(md, "| x \\| \"y\", <z> | 0.123 ± 0.001 | +0.01 [-0.01, +0.02] | 1,234,567 | +12.3 % |");
    contains(md, "| one seed | **0.200** |  |  |  |");
    contains(csv, "group,Method,HR@10 mean,HR@10 sd,HR@10 seeds,Δ,Δ low,Δ high,Rows,rel\n");
    contains(csv, "Group_1,\"x | \"\"y\"\", <z>\",0.12345678,0.0011,3,0.014,-0.01,0.02,1234567,0.1234\n");
    contains(csv, "Group_1,one seed,0.2,,1,,,,,\n");
    contains(tex, "\\caption{A \\& B}");
    contains(tex, "Group\\_1");
    contains(tex, "0.123 $\\pm$ 0.001");
    contains(tex, "+12.3 \\%");
    contains(tex, "\\textbf{0.200}");
    contains(html, "x | &quot;y&quot;, &lt;z&gt;");
    contains(html, "<td class=\"n best\">0.200</td>");
    contains(plain, "0.200*");
    ck_assert_int_eq(markup_width("±Δx"), 3);
}
END_TEST

START_TEST(aligned_text_is_aligned)
{
    const char *plain = printed(table_plain, small_table());
    /* the header and both data rows end their second column at the same display column */
    int64_t end[3];
    const char *const mark[] = {"HR@10", "± 0.001", "0.200*"};
    for (int i = 0; i < 3; i++) {
        const char *at = strstr(plain, mark[i]), *line = at;
        while (line > plain && line[-1] != '\n') line--;
        const char *until = arena_strndup(arena, line, (size_t)(at - line) + strlen(mark[i]));
        end[i] = markup_width(until) - (mark[i][strlen(mark[i]) - 1] == '*');
    }
    ck_assert_int_eq(end[0], end[1]);
    ck_assert_int_eq(end[1], end[2]);
}
END_TEST

/* ------------------------------------------------------------------ results */

START_TEST(grouping_and_references)
{
    ck_assert_int_eq(results->n_sets, 2);
    const SetResults *s = &results->set[0];
    ck_assert_str_eq(s->full->id, "deepinterest");
    ck_assert_str_eq(s->strongest->id, "sasrec");
    ck_assert_int_eq(s->full->n, 3);
    for (int i = 0; i < 3; i++) ck_assert_int_eq(s->full->entry[i]->seed, i + 1);
    ck_assert_ptr_nonnull(s->oracle);
    ck_assert_ptr_null(results->set[1].oracle);
    ck_assert_str_eq(section_own_sft(s, s->full)->id, "wo-rl");
    double x[3];
    for (int i = 0; i < 3; i++) x[i] = evaluation_find(s->full->entry[i]->ev, "test")->value[METRIC_HR_10];
    const Spread mine = significance_spread(x, 3), theirs = results_spread(s->full, "test", METRIC_HR_10);
    ck_assert(mine.mean == theirs.mean && mine.sd == theirs.sd && theirs.n == 3);
    Comparison c;
    ck_assert(results_compare(s, s->full, s->strongest, "test", METRIC_HR_10, 1, &c));
    ck_assert_double_eq_tol(c.mean_a, theirs.mean, 1e-12);
}
END_TEST

START_TEST(strongest_is_chosen_on_validation)
{
    /* popularity gets brilliant test ranks; the choice must not move */
    const char *dir = arena_printf(arena, "%s/sample-beauty/evaluate-popularity-1", root);
    Evaluation *ev;
    ck_assert_int_eq(evaluation_read(dir, arena, &ev), OK);
    for (int s = 0; s < ev->n_splits; s++) {
        if (strcmp(ev->split[s].split, "valid") == 0) continue;
        for (int r = 0; r < FIXTURE_ROWS; r++) ev->split[s].rank[r] = 1;
        metrics_compute(ev->split[s].rank, FIXTURE_ROWS, ev->split[s].value);
    }
    ck_assert_int_eq(evaluation_write(ev, dir), OK);
    Results *again;
    ck_assert_int_eq(results_load(index_path, arena, &again), OK);
    ck_assert_str_eq(again->set[0].strongest->id, "sasrec");
    results_close(again);
}
END_TEST

static void index_refused(const char *json, const char *why)
{
    Results *r;
    fixture_text(arena, root, "bad.json", json);
    ck_assert_msg(results_load(arena_printf(arena, "%s/bad.json", root), arena, &r) == E_INPUT, "accepted: %s", json);
    ck_assert_msg(strstr(status_message(), why) != NULL, "\"%s\" does not say \"%s\"", status_message(), why);
}

START_TEST(bad_indices_are_refused)
{
    const char *data = arena_printf(arena, "%s/beauty/data", root), *a = arena_printf(arena, "%s/beauty/evaluate-sasrec-1", root);
    const char *entry = arena_printf(arena, "{\"dataset\":\"d\",\"method\":\"m\",\"seed\":1,\"table\":[],\"data\":\"%s\",\"evaluate\":\"%s\"}", data, a);
    index_refused("{\"entries\":[]}", "no finished experiment");
    index_refused("{}", "entries");
    index_refused(arena_printf(arena, "{\"entries\":[%s,%s]}", entry, entry), "listed twice");
    index_refused("{\"entries\":[{\"dataset\":\"d\",\"method\":\"m\",\"seed\":1,\"table\":[],\"data\":\"x\",\"evaluate\":\"\"}]}", "lacks its");
    index_refused("{\"entries\":[{\"dataset\":\"d\",\"method\":\"m\",\"seed\":1,\"table\":[],\"data\":\"x\",\"evaluate\":\"/nonexistent\"}]}", "/nonexistent");
    index_refused(arena_printf(arena, "{\"entries\":[{\"dataset\":\"d\",\"method\":\"m\",\"seed\":1,\"table\":[],\"role\":\"king\",\"data\":\"%s\",\"evaluate\":\"%s\"}]}", data, a),
                  "unknown role");
    /* other rows under the same set */
    Evaluation *ev;
    const char *b = arena_printf(arena, "%s/short", root);
    ck_assert_int_eq(evaluation_read(a, arena, &ev), OK);
    for (int s = 0; s < ev->n_splits; s++) {
        ev->split[s].n_rows--;
        metrics_compute(ev->split[s].rank, ev->split[s].n_rows, ev->split[s].value);
    }
    ck_assert_int_eq(dir_make(b), OK);
    ck_assert_int_eq(evaluation_write(ev, b), OK);
    index_refused(arena_printf(arena, "{\"entries\":[%s,{\"dataset\":\"d\",\"method\":\"n\",\"seed\":1,\"table\":[],\"data\":\"%s\",\"evaluate\":\"%s\"}]}", entry, data, b),
                  "other rows");
}
END_TEST

/* ------------------------------------------------------------------ report */

START_TEST(report_says_what_it_must)
{
    Doc *doc;
    const char *out = make_report(&doc), *md = slurp(arena_printf(arena, "%s/report.md", out)), *html = slurp(arena_printf(arena, "%s/report.html", out));
    const char *const must[] = {"SIMULATED", "make reproduce DATA=", "Bracket, FIXTURE Beauty", "≤ oracle", "Mined interests, FIXTURE Beauty", "They helped", "batches",
        "Against the strongest baseline", "RL, FIXTURE", "Beam width", "Commit", "REPORTED BY OTHERS", "tiger-table1", "MyMethod", "Items on shallow text alone",
        "invented numbers", "masked", "95 %"};
    for (size_t i = 0; i < sizeof must / sizeof *must; i++) {
        contains(md, must[i]);
        contains(html, must[i]);
    }
    /* plots are there where gnuplot is */
    if (system("command -v gnuplot >/dev/null") == 0) {
        ck_assert_int_eq(doc->n_plots_missing, 0);
        contains(html, "<svg");
    }
    /* self-contained, escaped, whole */
    lacks(html, "<script");
    lacks(html, "<link");
    lacks(html, "src=");
    lacks(html, "url(");
    lacks(html, "@import");
    lacks(html, "<friends>");
    contains(html, "MyMethod &amp; &lt;friends&gt;");
    contains(html, "</html>");
    static const char *const files[] = {"main", "main_further", "significance", "masked", "sid_level", "ablation", "ensemble", "rl", "data", "text", "mining", "published", "claims", "all_metrics"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        contains(slurp(arena_printf(arena, "%s/%s.csv", out, files[i])), "\n");
        contains(slurp(arena_printf(arena, "%s/%s.tex", out, files[i])), "\\end{tabular}");
    }
}
END_TEST

START_TEST(published_never_meets_measured)
{
    Doc *doc;
    (void)make_report(&doc);
    for (int64_t b = 0; b < doc->n_blocks; b++) {
        if (doc->block[b].kind != BLOCK_TABLE) continue;
        const char *csv = printed(table_csv, doc->block[b].table);
        const bool theirs = strstr(csv, "tiger-table1") != NULL || strstr(csv, "TIGER") != NULL;
        const bool ours = strstr(csv, "MyMethod") != NULL || strstr(csv, "DeepInterestGR (SFT + GRPO)") != NULL;
        ck_assert_msg(!(theirs && ours), "table %s mixes them", doc->block[b].table->id);
        if (strcmp(doc->block[b].table->id, "published") == 0) lacks(csv, "simulated");
    }
}
END_TEST

START_TEST(stage_files_reach_their_tables)
{
    Doc *doc;
    const char *out = make_report(&doc);
    contains(slurp(arena_printf(arena, "%s/sids.csv", out)), ",DeepInterestGR (SFT + GRPO),472,0.0291,3,256,200,210,222,120.5,0.4,0.05,0.3,0.01,0.1234\n");
    contains(slurp(arena_printf(arena, "%s/classifier.csv", out)), "900,180,0.61,0.83,0.9,0.86,0.71,,1840,1500,0.8\n");
    contains(slurp(arena_printf(arena, "%s/text.csv", out)), "0.8333333333,0,1,460,455,20\n");
    contains(slurp(arena_printf(arena, "%s/mining.csv", out)), "claude:mine/v1,480,20,1,0.956,1800,3.75,0.7,0.125,1500,3.5,40,0.975\n");
    /* of a member that only another method has, and of what is undefined */
    contains(slurp(arena_printf(arena, "%s/mining.csv", out)), "\"rules:offline/v1 (rules, no language model)\",480,10,0,0.979,2350,4.9,,,,,,\n");
    contains(slurp(arena_printf(arena, "%s/ensemble.csv", out)), ",no interests,2,0,0,472,0.0291,0.4,0.3,0.1234,");
    contains(slurp(arena_printf(arena, "%s/ensemble.csv", out)), ",rules alone,2,0.9791666667,4.895833333,");

    contains(slurp(arena_printf(arena, "%s/data.csv", out)), ",simulated,600,480,5432,600,600,600,9.053333333,");
    contains(slurp(arena_printf(arena, "%s/rl.csv", out)), "test.masked,600,");
    contains(slurp(arena_printf(arena, "%s/grpo_beauty.gp", out)), "RL: mean reward");
}
END_TEST

START_TEST(main_table_numbers)
{
    Doc *doc;
    const char *csv = slurp(arena_printf(arena, "%s/main.csv", make_report(&doc)));
    const Spread s = results_spread(results->set[0].full, "test", METRIC_HR_5);
    contains(csv, arena_printf(arena, "DeepInterestGR (SFT + GRPO),3,%.10g,%.10g,3", s.mean, s.sd));
    contains(csv, "MyMethod & <friends>,1,");
}
END_TEST

START_TEST(same_input_same_bytes)
{
    Doc *doc;
    const char *out = make_report(&doc), *first = slurp(arena_printf(arena, "%s/report.html", out));
    Results *again;
    ck_assert_int_eq(results_load(index_path, arena, &again), OK);
    const ReportOptions o = {.out = out, .seed = 7};
    ck_assert_int_eq(report_write(again, &o, &doc), OK);
    ck_assert_str_eq(slurp(arena_printf(arena, "%s/report.html", out)), first);
    results_close(again);
}
END_TEST

START_TEST(without_gnuplot_nothing_fails)
{
    Doc *doc;
    ck_assert_int_eq(setenv("PATH", "/nonexistent", 1), 0);
    const char *out = make_report(&doc);
    ck_assert_int_gt(doc->n_plots_missing, 0);
    contains(slurp(arena_printf(arena, "%s/report.md", out)), "gnuplot was not found");
    ck_assert_int_eq(access(arena_printf(arena, "%s/main_beauty.svg", out), F_OK), -1);
    ck_assert_int_eq(access(arena_printf(arena, "%s/main_beauty.svg.tmp", out), F_OK), -1);
    ck_assert_int_eq(setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1), 0);
}
END_TEST

START_TEST(ensemble_says_what_its_rows_say)
{
    Doc *doc;
    const char *text = slurp(arena_printf(arena, "%s/report.md", make_report(&doc)));
    const SetResults *s = &results->set[0];
    Comparison c;
    ck_assert(results_compare(s, results_find(s, "mine-union"), results_find(s, "mine-none"), "test", METRIC_NDCG_10, 7, &c));
    contains(text, arena_printf(arena, "union of the members, against no interests: NDCG@10 %+.1f %%", 100 * c.difference / c.mean_b));
    contains(text, "union of the members, against rules alone");
    lacks(text, "against one member"); /* no such method in this run */
    /* the members' language model is one, and rules are none */
    contains(text, "an ensemble of one");
    contains(text, "Members and strategies");
}
END_TEST

START_TEST(findings_follow_the_data)
{
    /* with and without interests exchanged, the sentence must turn round */
    const SetResults *s = &results->set[0];
    const char *full = s->full->entry[0]->dir[PART_evaluate];
    (void)full;
    for (int seed = 1; seed <= 3; seed++) {
        Evaluation *with, *without;
        const char *a = arena_printf(arena, "%s/sample-beauty/evaluate-deepinterest-%d", root, seed), *b = arena_printf(arena, "%s/sample-beauty/evaluate-wo-mlim-%d", root, seed);
        ck_assert_int_eq(evaluation_read(a, arena, &with), OK);
        ck_assert_int_eq(evaluation_read(b, arena, &without), OK);
        ck_assert_int_eq(evaluation_write(with, b), OK);
        ck_assert_int_eq(evaluation_write(without, a), OK);
    }
    results_close(results);
    ck_assert_int_eq(results_load(index_path, arena, &results), OK);
    Doc *doc;
    const char *md = slurp(arena_printf(arena, "%s/report.md", make_report(&doc)));
    contains(md, "**Mined interests, FIXTURE Beauty (simulated, invented numbers).** They **hurt**");
    contains(md, "**Mined interests, FIXTURE Beauty (invented numbers).** They helped");
}
END_TEST

START_TEST(a_broken_bracket_is_said)
{
    const char *oracle = arena_printf(arena, "%s/sample-beauty/evaluate-oracle-1", root), *popularity = arena_printf(arena, "%s/sample-beauty/evaluate-popularity-1", root);
    Evaluation *ev;
    ck_assert_int_eq(evaluation_read(popularity, arena, &ev), OK);
    ck_assert_int_eq(evaluation_write(ev, oracle), OK);
    results_close(results);
    ck_assert_int_eq(results_load(index_path, arena, &results), OK);
    Doc *doc;
    contains(slurp(arena_printf(arena, "%s/report.md", make_report(&doc))), "Bracket broken");
}
END_TEST

/* ------------------------------------------------------------------ curves */

START_TEST(logs_are_read)
{
    const char *dir = arena_printf(arena, "%s/log", root);
    Log *log;
    double *x, *y;
    ck_assert_int_eq(log_read(dir, arena, &log), OK);
    ck_assert_ptr_null(log);
    fixture_text(arena, dir, "log.tsv", "step\tloss\tvalid_NDCG@10\n1\t4\t-\n2\t2\t0.5\n3\t3\t-\n4\t1\t0.7\n5\t9");
    ck_assert_int_eq(log_read(dir, arena, &log), OK); /* the torn last line is dropped */
    ck_assert_int_eq(log->n_rows, 4);
    ck_assert_int_eq(log_column(log, "epoch|step"), 0);
    ck_assert_int_eq(log_column(log, "valid_ndcg@10"), 2);
    ck_assert_int_eq(log_column(log, "reward"), -1);
    ck_assert_int_eq(log_curve(log, 0, 2, 100, arena, &x, &y), 2);
    ck_assert(x[1] == 4 && y[1] == 0.7);
    ck_assert_int_eq(log_curve(log, 0, 1, 2, arena, &x, &y), 2);
    ck_assert(x[0] == 1.5 && y[0] == 3 && y[1] == 2);
    fixture_text(arena, dir, "log.tsv", "step\tloss\n1\t4\n2\tabc\n3\t1\n");
    ck_assert_int_eq(log_read(dir, arena, &log), E_INPUT);
    contains(status_message(), "log.tsv:3");
}
END_TEST

/* ------------------------------------------------------------------ expected results */

START_TEST(verify_passes_on_itself)
{
    const char *path = arena_printf(arena, "%s/expected.json", root);
    Verdict v;
    ck_assert_int_eq(expected_write(results, path), OK);
    ck_assert_int_eq(expected_verify(results, path, &v), OK);
    ck_assert_int_eq(v.n_fail, 0);
    ck_assert_int_gt(v.n_pass, 60);
    ck_assert_int_gt(v.n_identical, 0);
    ck_assert_int_eq(v.n_new, 0);
    lacks(slurp(path), "MyMethod"); /* what users bring is no reference */
}
END_TEST

START_TEST(verify_sees_changes)
{
    const char *path = arena_printf(arena, "%s/expected.json", root), *dir = arena_printf(arena, "%s/beauty/evaluate-popularity-1", root);
    ck_assert_int_eq(expected_write(results, path), OK);
    Verdict v;
    Evaluation *ev;
    /* one rank of popularity: D0 sees it although no mean moves beyond its tolerance */
    ck_assert_int_eq(evaluation_read(dir, arena, &ev), OK);
    ev->split[1].rank[5] = ev->split[1].rank[5] == 0 ? 20 : 0;
    metrics_compute(ev->split[1].rank, ev->split[1].n_rows, ev->split[1].value);
    ck_assert_int_eq(evaluation_write(ev, dir), OK);
    Results *again;
    ck_assert_int_eq(results_load(index_path, arena, &again), OK);
    ck_assert_int_eq(expected_verify(again, path, &v), OK);
    ck_assert_int_eq(v.n_fail, 1);
    results_close(again);
    /* the full method loses every hit: its four D2 rows fail */
    for (int seed = 1; seed <= 3; seed++) {
        dir = arena_printf(arena, "%s/beauty/evaluate-deepinterest-%d", root, seed);
        ck_assert_int_eq(evaluation_read(dir, arena, &ev), OK);
        for (int r = 0; r < FIXTURE_ROWS; r++) ev->split[1].rank[r] = 0;
        metrics_compute(ev->split[1].rank, ev->split[1].n_rows, ev->split[1].value);
        ck_assert_int_eq(evaluation_write(ev, dir), OK);
    }
    ck_assert_int_eq(results_load(index_path, arena, &again), OK);
    ck_assert_int_eq(expected_verify(again, path, &v), OK);
    ck_assert_int_eq(v.n_fail, 5);
    results_close(again);
}
END_TEST

/* Exit code of the program itself, its standard output in *text. */
static int run_program(const char *arguments, const char **text)
{
    const char *bin = getenv("BIN");
    const char *output = arena_printf(arena, "%s/output.txt", root);
    const int status = system(arena_printf(arena, "'%s/11_report' --quiet %s >'%s' 2>&1", bin != NULL ? bin : "cache/build/bin", arguments, output));
    *text = slurp(output);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(the_program_reports_and_verifies)
{
    const char *text, *expected = arena_printf(arena, "%s/expected.json", root), *out = arena_printf(arena, "%s/out", root);
    ck_assert_int_eq(run_program(arena_printf(arena, "--index %s --out %s --write-expected %s", index_path, out, expected), &text), 0);
    contains(text, "Main results");
    contains(text, "MyMethod & <friends>");
    contains(slurp(arena_printf(arena, "%s/manifest.json", out)), "report.html");
    ck_assert_int_eq(run_program(arena_printf(arena, "--index %s --verify %s", index_path, expected), &text), 0);
    contains(text, ", 0 failed");
    /* another machine: one value off */
    char *other = arena_strdup(arena, slurp(expected)), *value = strstr(other, "\"value\"");
    ck_assert_ptr_nonnull(value);
    value += strcspn(value, "0123456789");
    *value = *value == '9' ? '8' : (char)(*value + 1);
    fixture_text(arena, root, "expected.json", other);
    ck_assert_int_eq(run_program(arena_printf(arena, "--index %s --verify %s", index_path, expected), &text), 3);
    contains(text, "FAIL");
    contains(text, "1 of ");
    ck_assert_int_eq(run_program(arena_printf(arena, "--index %s", index_path), &text), 2);
    ck_assert_int_eq(run_program("--index /nonexistent --out /tmp/none", &text), 3);
    ck_assert_int_eq(run_program(arena_printf(arena, "--index %s --out /proc/none", index_path), &text), 4);
}
END_TEST

START_TEST(verify_misses_what_is_absent)
{
    const char *path = arena_printf(arena, "%s/expected.json", root);
    fixture_text(arena, root, "expected.json",
        "{\"format\":\"digr-expected-1\",\"title\":\"t\",\"rows\":[{\"kind\":\"D0\",\"dataset\":\"mars\",\"name\":\"users\",\"value\":3},"
        "{\"kind\":\"D2\",\"dataset\":\"beauty\",\"method\":\"none\",\"label\":\"None\",\"seeds\":[1],\"split\":\"test\",\"metric\":\"HR@10\",\"mean\":0,\"sd\":0,\"tolerance\":1,"
        "\"ranks\":[]},"
        "{\"kind\":\"D2\",\"dataset\":\"beauty\",\"method\":\"sasrec\",\"label\":\"S\",\"seeds\":[1,2],\"split\":\"test\",\"metric\":\"HR@10\",\"mean\":0,\"sd\":0,\"tolerance\":1,"
        "\"ranks\":[]}]}");
    Verdict v;
    ck_assert_int_eq(expected_verify(results, path, &v), OK);
    ck_assert_int_eq(v.n_fail, 3); /* unknown set, unknown method, other seeds */
    ck_assert_int_gt(v.n_new, 0);
    static const char *const bad[] = {"{}", "{\"format\":\"other\",\"title\":\"t\",\"rows\":[]}", "{\"format\":\"digr-expected-1\",\"title\":\"t\",\"rows\":[]}",
        "{\"format\":\"digr-expected-1\",\"title\":\"t\",\"rows\":[{\"kind\":\"D9\",\"dataset\":\"x\"}]}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fixture_text(arena, root, "expected.json", bad[i]);
        ck_assert_int_eq(expected_verify(results, path, &v), E_INPUT);
    }
}
END_TEST

static int keep(const char *dir)
{
    Arena *a = arena_create("keep");
    printf("%s\n", fixture_write(a, dir));
    arena_destroy(a);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--keep") == 0) return keep(argv[2]);
    Suite *suite = suite_create("report");
    TCase *tc = tcase_create("all");
    tcase_set_timeout(tc, 300);
    tcase_add_checked_fixture(tc, setup, teardown);
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, table_forms);
    tcase_add_test(tc, aligned_text_is_aligned);
    tcase_add_test(tc, grouping_and_references);
    tcase_add_test(tc, strongest_is_chosen_on_validation);
    tcase_add_test(tc, bad_indices_are_refused);
    tcase_add_test(tc, report_says_what_it_must);
    tcase_add_test(tc, published_never_meets_measured);
    tcase_add_test(tc, stage_files_reach_their_tables);
    tcase_add_test(tc, main_table_numbers);
    tcase_add_test(tc, same_input_same_bytes);
    tcase_add_test(tc, without_gnuplot_nothing_fails);
    tcase_add_test(tc, ensemble_says_what_its_rows_say);
    tcase_add_test(tc, findings_follow_the_data);
    tcase_add_test(tc, a_broken_bracket_is_said);
    tcase_add_test(tc, logs_are_read);
    tcase_add_test(tc, verify_passes_on_itself);
    tcase_add_test(tc, verify_sees_changes);
    tcase_add_test(tc, the_program_reports_and_verifies);
    tcase_add_test(tc, verify_misses_what_is_absent);
    return suite_run(suite);
}
