/* check_main.c - riptidekv-check as a program: arguments, the real disk, exit code. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fault/disk_posix.h"
#include "server/check.h"
#include "server/flags.h"

static void print(void *arg, const char *line)
{
    (void)arg;
    puts(line);
}

static void complain(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "riptidekv-check: %s\n", line);
}

/* An answer that nobody could get is none. */
static int said(int code)
{
    if (!fflush(stdout)) return code;
    complain(NULL, strerror(errno));
    return CHECK_UNABLE;
}

int main(int argc, char **argv)
{
    struct check c = {.mem = mem_libc(), .print = print, .complain = complain};
    char wrong[CHECK_WRONG_BYTES];
    char parent[CONFIG_TEXT_BYTES], name[CONFIG_TEXT_BYTES];
    switch (check_parse(&c, argc, (const char *const *)argv, wrong)) {
    case CHECK_RUN: break;
    case CHECK_HELP: puts(check_usage); return said(CHECK_SOUND);
    case CHECK_BAD:
        c.path = NULL;
        (void)check_unable(&c, wrong);
        fprintf(stderr, "%s\n", check_usage);
        return CHECK_UNABLE;
    }
    if (!flags_split_dir(c.path, parent, name))
        return check_unable(&c, "the path has to end in the directory's own name");
    c.store = name;
    int rc = disk_posix_new(c.mem, parent, &c.disk);
    if (rc) {
        char text[2 * CONFIG_TEXT_BYTES];
        snprintf(text, sizeof text, "cannot open %.300s: %s", parent, strerror(-rc));
        return check_unable(&c, text);
    }
    int code = check_store(&c);
    disk_posix_free(c.disk);
    return said(code);
}
