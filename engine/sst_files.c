/* sst_files.c - a list of open descriptors, the most recently used one in front. */
#include "engine/sst_files.h"

#include <assert.h>

#include "engine/filename.h"

enum err sst_file_open(struct disk_dir *dir, uint64_t number, struct disk_file **out,
                       struct err_detail *why)
{
    char name[FILENAME_BYTES];
    filename_sst(number, name);
    int os = disk_open(dir, name, DISK_READ, SITE_SST_CREATE, out);
    if (!os) return ERR_OK;
    enum err e = err_from_os(os);
    return err_set(why, e, os, "%s: %s", name,
                   e == ERR_MISSING ? "missing" : "cannot be opened");
}

static void list_remove(struct sst_files *files, struct sst_file *f)
{
    if (f->older)
        f->older->newer = f->newer;
    else
        files->oldest = f->newer;
    if (f->newer)
        f->newer->older = f->older;
    else
        files->newest = f->older;
}

static void list_add(struct sst_files *files, struct sst_file *f)
{
    f->older = files->newest;
    f->newer = NULL;
    if (files->newest)
        files->newest->newer = f;
    else
        files->oldest = f;
    files->newest = f;
}

enum err sst_files_get(struct sst_files *files, struct sst_file *f,
                       struct disk_file **out, struct err_detail *why)
{
    assert(files->open_max > 0);
    if (!f->file) {
        /* first, so that a limit of the system is met with one descriptor less */
        if (files->open >= files->open_max) sst_files_drop(files, files->oldest);
        enum err e = sst_file_open(files->dir, f->number, &f->file, why);
        if (e) return e;
        files->open++;
        files->opened++;
        list_add(files, f);
    } else if (files->newest != f) {
        list_remove(files, f);
        list_add(files, f);
    }
    *out = f->file;
    return ERR_OK;
}

void sst_files_drop(struct sst_files *files, struct sst_file *f)
{
    if (!f->file) return;
    assert(files->open > 0);
    list_remove(files, f);
    files->open--;
    disk_close(f->file);
    f->file = NULL;
}
