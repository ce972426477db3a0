/* tests/no_sockets.h -- running a program in a child that would be killed by any of the calls that open or use a socket. */
#ifndef DIGR_TESTS_NO_SOCKETS_H
#define DIGR_TESTS_NO_SOCKETS_H

#include <check.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool no_sockets_forbid(void) {
    static const int calls[] = {SYS_socket, SYS_socketpair, SYS_connect, SYS_bind, SYS_listen, SYS_accept4, SYS_sendto, SYS_sendmsg, SYS_recvfrom, SYS_recvmsg};
    enum { N = sizeof calls / sizeof *calls };
    struct sock_filter filter[2 * N + 2];
    int n = 0;
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (int k = 0; k < N; k++) {
        filter[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[k], 0, 1);
        filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    }
    filter[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {(unsigned short)n, filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/* Runs `command` in such a child; returns its wait state, or -1 when filters are not permitted here. */
static inline int run_without_sockets(const char *const *command) {
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        if (!no_sockets_forbid()) _exit(77);
        if (!command) {
            int fd = socket(AF_INET, SOCK_STREAM, 0);
            _exit(fd >= 0 ? 1 : 2);
        }
        (void)execv(command[0], (char *const *)(uintptr_t)command);
        _exit(78);
    }
    int state;
    ck_assert_int_eq(waitpid(child, &state, 0), child);
    return WIFEXITED(state) && WEXITSTATUS(state) == 77 ? -1 : state;
}

#endif
