#include "tests/support/dumped.h"

#include <stdio.h>

#include "tests/support/check.h"

static char text[1 << 17];
static size_t used;

void dumped_clear(void)
{
    used = 0;
    text[0] = 0;
}

void dumped_line(void *arg, const char *line)
{
    (void)arg;
    int n = snprintf(text + used, sizeof text - used, "%s\n", line);
    REQUIRE(n > 0 && (size_t)n < sizeof text - used);
    used += (size_t)n;
}

const char *dumped_text(void)
{
    return text;
}

bool dumped_has(const char *part)
{
    bool found = strstr(text, part) != NULL;
    if (!found) printf("  not in the dump: %s\n", part);
    return found;
}

void dumped_example(struct teststore *t)
{
    struct batch b;
    teststore_init(t);
    t->options.log_bytes = 512;
    REQUIRE_INT(teststore_open(t), ERR_OK);
    batch_init(&b, mem_libc(), 0);
    REQUIRE_INT(batch_put(&b, slice_text("apple"), slice_text("red")), ERR_OK);
    REQUIRE_INT(batch_put(&b, slice_text("pear"), slice_text("green")), ERR_OK);
    REQUIRE_INT(db_write(t->db, &b), ERR_OK);
    REQUIRE_INT(teststore_delete(t, "plum"), ERR_OK);
    REQUIRE_INT(db_flush(t->db), ERR_OK);

    batch_clear(&b);
    REQUIRE_INT(batch_put(&b, slice_text("apple"), slice_text("yellow")), ERR_OK);
    REQUIRE_INT(batch_delete(&b, slice_text("pear")), ERR_OK);
    REQUIRE_INT(batch_register_add(&b, 3, -5), ERR_OK);
    REQUIRE_INT(batch_register_set(&b, 63, 300), ERR_OK);
    REQUIRE_INT(batch_floor(&b, 'q'), ERR_OK);
    REQUIRE_INT(db_write(t->db, &b), ERR_OK);
    batch_deinit(&b);
    teststore_close(t);
}

const char *dumped_file(struct teststore *t, const char *name)
{
    struct disk_dir *dir;
    struct err_detail why = {.code = ERR_OK};
    dumped_clear();
    REQUIRE_INT(disk_dir_open(t->disk, TESTSTORE_DIR, &dir), 0);
    enum err e = dump_file(mem_libc(), dir, name, dumped_line, NULL, &why);
    disk_dir_close(dir);
    if (e) printf("  %s\n", why.text);
    CHECK_INT(e, ERR_OK);
    return text;
}
