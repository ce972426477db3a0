/* plan/schedule.c -- see schedule_run in plan.h: a small list scheduler over fork and exec. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/log.h"
#include "plan/plan.h"

enum { MAX_JOBS = 64, LOG_TAIL = 4096 };

typedef struct Worker { pid_t pid; int64_t step; double start_s; } Worker;

typedef struct Run {
    Plan *plan;
    const char *bin;
    Worker worker[MAX_JOBS];
    int64_t jobs, threads, n_running, n_done, n_total;
    double start_s, last_line_s, done_cost_s, total_cost_s;
    bool terminal;
    bool *started;
    double *path_s;    /* of a step and the longest chain of steps that wait for it */
    sigset_t children, before; /* SIGCHLD, blocked here so that it can be waited for; children get `before` back */
} Run;

static bool ready(const Run *r, int64_t i)
{
    const Step *s = &r->plan->steps[i];
    if (s->complete || r->started[i]) return false;
    bool report = strcmp(s->program, "11_report") == 0; /* reads what every other step wrote */
    for (int64_t j = 0; report && j < i; j++)
        if (!r->plan->steps[j].complete) return false;
    for (int k = 0; k < s->n_inputs; k++)
        if (!r->plan->steps[s->inputs[k]].complete) return false;
    return true;
}

/* Longest chain first: what everything else waits for must not begin last. Inputs stand before the steps that read them. */
static void measure_paths(Run *r)
{
    const Plan *p = r->plan;
    for (int64_t i = 0; i < p->n; i++) r->path_s[i] = p->steps[i].cost_s;
    for (int64_t i = p->n - 1; i >= 0; i--) {
        for (int k = 0; k < p->steps[i].n_inputs; k++) {
            const int64_t in = p->steps[i].inputs[k];
            REQUIRE(in < i, "step %lld reads a later one", (long long)i);
            r->path_s[in] = fmax(r->path_s[in], p->steps[in].cost_s + r->path_s[i]);
        }
    }
}

/* The ready step with the longest path, the first of equals; -1: none. */
static int64_t most_urgent(const Run *r)
{
    int64_t best = -1;
    for (int64_t i = 0; i < r->plan->n; i++)
        if (ready(r, i) && (best < 0 || r->path_s[i] > r->path_s[best])) best = i;
    return best;
}

static char *log_path(const Run *r, const Step *s) { return arena_printf(r->plan->arena, "%s/stage.log", s->out); }

/* In the child: redirect, fix the threads, become the stage program. Ends with the parent, however that dies. */
static _Noreturn void become_stage(const Run *r, const Step *s, const char *log)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)sigprocmask(SIG_SETMASK, &r->before, NULL);
    char threads[24];
    (void)snprintf(threads, sizeof threads, "%lld", (long long)r->threads);
    (void)setenv("OMP_NUM_THREADS", threads, 1);
    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (r->jobs > 1 && strcmp(s->program, "11_report") != 0) { /* the report's tables are for the terminal */
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0) _exit(E_RESOURCE);
    }
    char *argv[STEP_MAX_ARGS + 4];
    int n = 0;
    argv[n++] = arena_printf(r->plan->arena, "%s/%s", r->bin, s->program);
    for (int i = 0; i < s->n_args; i++) argv[n++] = arena_strdup(r->plan->arena, s->args[i]);
    argv[n++] = arena_strdup(r->plan->arena, "--out");
    argv[n++] = arena_strdup(r->plan->arena, s->out);
    argv[n] = NULL;
    (void)execv(argv[0], argv);
    (void)fprintf(stderr, "error: %s: cannot start: %s\n", argv[0], strerror(errno));
    _exit(E_RESOURCE);
}

static Status start(Run *r, int64_t i)
{
    Step *s = &r->plan->steps[i];
    TRY(dir_make(s->out));
    char *log = log_path(r, s);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) return FAIL(E_RESOURCE, "close other programs", "cannot start a process: %s", strerror(errno));
    if (pid == 0) become_stage(r, s, log);
    r->started[i] = true;
    for (int64_t w = 0; w < r->jobs; w++) {
        if (r->worker[w].pid != 0) continue;
        r->worker[w] = (Worker){pid, i, time_now_s()};
        break;
    }
    r->n_running++;
    if (r->jobs == 1) log_info("[%lld/%lld] %s", (long long)(r->n_done + 1), (long long)r->n_total, s->title);
    return OK;
}

/* Estimates are for one step alone on the machine; what has been done so far corrects them for this machine and for steps side by side. */
static double left_s(const Run *r)
{
    double elapsed = time_now_s() - r->start_s, share = r->total_cost_s > 0 ? r->done_cost_s / r->total_cost_s : 0;
    double guess = (r->total_cost_s - r->done_cost_s) / (double)r->jobs;
    if (share <= 0) return guess;
    double extrapolated = elapsed * (1 - share) / share;
    return share * extrapolated + (1 - share) * fmin(guess, 4 * extrapolated + 1);
}

static void draw(Run *r, bool force)
{
    double now = time_now_s();
    if (r->jobs == 1 || (!force && now - r->last_line_s < (r->terminal ? 0.5 : 30))) return;
    r->last_line_s = now;
    char bar[25], left[24], titles[256] = "";
    double share = r->total_cost_s > 0 ? r->done_cost_s / r->total_cost_s : 1;
    memset(bar, '.', 24);
    memset(bar, '#', (size_t)(24 * fmin(fmax(share, 0), 1)));
    bar[24] = '\0';
    format_duration(left, sizeof left, left_s(r));
    size_t at = 0;
    for (int64_t w = 0; w < r->jobs && at < sizeof titles - 1; w++)
        if (r->worker[w].pid != 0)
            at += (size_t)snprintf(titles + at, sizeof titles - at, "%s%s", at > 0 ? " + " : "", r->plan->steps[r->worker[w].step].title);
    (void)fprintf(stderr, "%sreproduce [%s] %lld/%lld steps | %.110s | about %s left%s", r->terminal ? "\r" : "", bar, (long long)r->n_done,
                  (long long)r->n_total, titles, left, r->terminal ? "\033[K" : "\n");
    (void)fflush(stderr);
}

static void print_tail(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) return;
    char text[LOG_TAIL + 1];
    (void)fseek(f, 0, SEEK_END);
    long size = ftell(f);
    (void)fseek(f, size > LOG_TAIL ? size - LOG_TAIL : 0, SEEK_SET);
    size_t n = fread(text, 1, LOG_TAIL, f);
    text[n] = '\0';
    (void)fclose(f);
    (void)fprintf(stderr, "%s", text);
}

static Status reap(Run *r)
{
    int state = 0;
    pid_t pid = waitpid(-1, &state, r->jobs > 1 ? WNOHANG : 0);
    if (pid == 0) {
        draw(r, false);
        (void)sigtimedwait(&r->children, NULL, &(struct timespec){.tv_nsec = 250000000}); /* woken by the next step that ends */
        return OK;
    }
    if (pid < 0) return errno == EINTR ? OK : FAIL(E_BUG, NULL, "waitpid: %s", strerror(errno));
    Worker *w = NULL;
    for (int64_t i = 0; i < r->jobs; i++)
        if (r->worker[i].pid == pid) w = &r->worker[i];
    if (w == NULL) return OK;
    Step *s = &r->plan->steps[w->step];
    double seconds = time_now_s() - w->start_s;
    *w = (Worker){0, 0, 0};
    r->n_running--;
    int code = WIFEXITED(state) ? WEXITSTATUS(state) : -1;
    if (code == 0 && path_exists(arena_printf(r->plan->arena, "%s/manifest.json", s->out))) {
        s->complete = true;
        r->n_done++;
        r->done_cost_s += s->cost_s;
        if (r->jobs > 1)
            (void)fprintf(stderr, "%sreproduce: [%lld/%lld] %s: %.1f s%s\n", r->terminal ? "\r" : "", (long long)r->n_done, (long long)r->n_total,
                          s->title, seconds, r->terminal ? "\033[K" : "");
        return OK;
    }
    if (r->terminal) (void)fprintf(stderr, "\n");
    if (r->jobs > 1) print_tail(log_path(r, s));
    if (code < 0)
        return FAIL(E_RESOURCE, "free memory if the system ended it; run the same command again to continue where it stopped",
                    "%s: ended by signal %d", s->title, WTERMSIG(state));
    return FAIL(code == 0 ? E_BUG : (Status)code, "correct what the stage says above, then run the same command again: finished steps are kept",
                "%s: failed (exit %d), messages in %s", s->title, code, r->jobs > 1 ? log_path(r, s) : "the lines above");
}

Status schedule_run(Plan *plan, const char *bin, int64_t jobs, int64_t threads)
{
    REQUIRE(jobs >= 1 && jobs <= MAX_JOBS, "%lld jobs", (long long)jobs);
    Run r = {.plan = plan, .bin = bin, .jobs = jobs, .threads = threads, .start_s = time_now_s(), .terminal = isatty(STDERR_FILENO) == 1};
    r.started = ARENA_NEW(plan->arena, bool, plan->n);
    r.n_total = plan_remaining(plan);
    r.total_cost_s = plan_remaining_s(plan);
    r.path_s = ARENA_NEW(plan->arena, double, plan->n);
    measure_paths(&r);
    (void)sigemptyset(&r.children);
    (void)sigaddset(&r.children, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, &r.children, &r.before);
    Status first = OK;
    char *message = NULL, *fix = NULL;
    while (r.n_running > 0 || (first == OK && r.n_done < r.n_total)) {
        int64_t next;
        while (first == OK && r.n_running < jobs && (next = most_urgent(&r)) >= 0) first = start(&r, next);
        REQUIRE(r.n_running > 0 || first != OK, "no step is ready and %lld are left", (long long)(r.n_total - r.n_done));
        if (r.n_running == 0) break;
        Status s = reap(&r);
        if (s != OK && first == OK) { /* keep the first report while the others finish */
            first = s;
            message = arena_strdup(plan->arena, status_message());
            fix = arena_strdup(plan->arena, status_fix());
        }
    }
    (void)sigprocmask(SIG_SETMASK, &r.before, NULL);
    if (message != NULL) return FAIL(first, fix, "%s", message);
    return first;
}
