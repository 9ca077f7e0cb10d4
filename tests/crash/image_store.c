/* image_store.c - see image_store.h. An image in the queue is a run of numbers:
 *
 *     length, note a, note b, directories, per directory: name, files, per file: name,
 *     size, chunks
 *
 * Numbers at the front are dropped now and then by moving the rest down. */
#include "tests/crash/image_store.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "fault/disk_sim.h"

#define NAMES_MAX 4096
#define FILES_MAX 256 /* of one image */

struct image_store {
    uint8_t *chunks; /* chunk i stands at i * IMAGE_STORE_CHUNK */
    uint32_t chunk_count, chunk_size;
    uint32_t *places; /* open addressing: chunk + 1; 0: free */
    uint32_t place_count;
    char *names[NAMES_MAX];
    uint32_t name_count;
    uint32_t *queue;
    size_t first, last, size; /* numbers of the queue: [first, last) are in use */
    size_t count;
    uint8_t *buffer; /* one file */
    size_t buffer_size;
};

static void *grown(void *array, size_t bytes)
{
    assert(bytes > 0);
    array = realloc(array, bytes);
    if (!array) abort();
    return array;
}

struct image_store *image_store_new(void)
{
    struct image_store *s = calloc(1, sizeof *s);
    if (!s) abort();
    s->place_count = 1024;
    s->places = calloc(s->place_count, sizeof *s->places);
    if (!s->places) abort();
    return s;
}

void image_store_free(struct image_store *s)
{
    if (!s) return;
    for (uint32_t i = 0; i < s->name_count; i++)
        free(s->names[i]);
    free(s->chunks);
    free(s->places);
    free(s->queue);
    free(s->buffer);
    free(s);
}

void image_store_clear(struct image_store *s)
{
    s->first = s->last = s->count = 0;
}

size_t image_store_count(const struct image_store *s)
{
    return s->count;
}

/* ---- chunks and names ---- */

static uint32_t chunk_hash(const uint8_t *p)
{
    uint64_t h = 0;
    for (int i = 0; i < IMAGE_STORE_CHUNK; i += 8) {
        uint64_t word;
        memcpy(&word, p + i, 8);
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    return (uint32_t)(h >> 16);
}

static const uint8_t *chunk_at(const struct image_store *s, uint32_t chunk)
{
    return s->chunks + (size_t)chunk * IMAGE_STORE_CHUNK;
}

static void place_chunk(struct image_store *s, uint32_t chunk)
{
    uint32_t i = chunk_hash(chunk_at(s, chunk));
    while (s->places[i & (s->place_count - 1)])
        i++;
    s->places[i & (s->place_count - 1)] = chunk + 1;
}

static uint32_t add_chunk(struct image_store *s, const uint8_t *bytes)
{
    if (s->chunk_count == s->chunk_size) {
        s->chunk_size = s->chunk_size ? s->chunk_size * 2 : 256;
        s->chunks = grown(s->chunks, (size_t)s->chunk_size * IMAGE_STORE_CHUNK);
    }
    if (s->chunk_count * 2 >= s->place_count) {
        s->place_count *= 2;
        s->places = grown(s->places, s->place_count * sizeof *s->places);
        memset(s->places, 0, s->place_count * sizeof *s->places);
        for (uint32_t i = 0; i < s->chunk_count; i++)
            place_chunk(s, i);
    }
    memcpy(s->chunks + (size_t)s->chunk_count * IMAGE_STORE_CHUNK, bytes,
           IMAGE_STORE_CHUNK);
    place_chunk(s, s->chunk_count);
    return s->chunk_count++;
}

static uint32_t chunk_number(struct image_store *s, const uint8_t *bytes)
{
    for (uint32_t i = chunk_hash(bytes);; i++) {
        uint32_t chunk = s->places[i & (s->place_count - 1)];
        if (!chunk) return add_chunk(s, bytes);
        if (!memcmp(chunk_at(s, chunk - 1), bytes, IMAGE_STORE_CHUNK)) return chunk - 1;
    }
}

static uint32_t name_number(struct image_store *s, const char *name)
{
    for (uint32_t i = 0; i < s->name_count; i++)
        if (!strcmp(s->names[i], name)) return i;
    assert(s->name_count < NAMES_MAX);
    s->names[s->name_count] = strdup(name);
    if (!s->names[s->name_count]) abort();
    return s->name_count++;
}

/* ---- pushing ---- */

static void push_number(struct image_store *s, uint32_t number)
{
    if (s->last == s->size) {
        s->size = s->size ? s->size * 2 : 4096;
        s->queue = grown(s->queue, s->size * sizeof *s->queue);
    }
    s->queue[s->last++] = number;
}

/* Room for a file, whole chunks. */
static void reserve(struct image_store *s, size_t bytes)
{
    size_t need = (bytes / IMAGE_STORE_CHUNK + 1) * IMAGE_STORE_CHUNK;
    if (need <= s->buffer_size) return;
    s->buffer = grown(s->buffer, need);
    s->buffer_size = need;
}

#define LINK_MARK UINT32_MAX /* in place of a size: another name of the file behind it */

struct push {
    struct image_store *store;
    struct disk *disk;
    const char *path; /* of the directory that is pushed now */
    struct disk_dir *dir;
    uint32_t dirs, files;
    struct {
        uint32_t inode, dir, name;
    } known[FILES_MAX]; /* the files so far */
};

/* Notes the name of a file that was pushed under another one. */
static bool push_link(struct push *p, const char *name)
{
    struct image_store *s = p->store;
    uint32_t inode = disk_sim_inode(p->disk, p->path, name);
    assert(p->files < FILES_MAX);
    p->known[p->files].inode = inode;
    p->known[p->files].dir = name_number(s, p->path);
    p->known[p->files].name = name_number(s, name);
    for (uint32_t i = 0; i < p->files; i++) {
        if (p->known[i].inode != inode) continue;
        push_number(s, p->known[p->files++].name);
        push_number(s, LINK_MARK);
        push_number(s, p->known[i].dir);
        push_number(s, p->known[i].name);
        return true;
    }
    return false;
}

static int push_file(void *arg, const char *name)
{
    struct push *p = arg;
    struct image_store *s = p->store;
    struct disk_file *file;
    uint64_t size = 0;
    size_t got = 0;
    if (push_link(p, name)) return 0;
    int e = disk_open(p->dir, name, DISK_READ, SITE_OTHER_CREATE, &file);
    if (!e) e = disk_size(file, &size);
    if (e) abort();
    reserve(s, (size_t)size);
    e = disk_read(file, 0, s->buffer, (size_t)size, &got);
    disk_close(file);
    if (e || got != size) abort();
    memset(s->buffer + size, 0,
           (IMAGE_STORE_CHUNK - size % IMAGE_STORE_CHUNK) % IMAGE_STORE_CHUNK);
    push_number(s, name_number(s, name));
    push_number(s, (uint32_t)size);
    for (uint64_t at = 0; at < size; at += IMAGE_STORE_CHUNK)
        push_number(s, chunk_number(s, s->buffer + at));
    p->files++;
    return 0;
}

static int push_dir(void *arg, const char *name)
{
    struct push *p = arg;
    struct image_store *s = p->store;
    uint32_t before = p->files;
    p->path = name;
    p->dirs++;
    push_number(s, name_number(s, name));
    size_t count = s->last;
    push_number(s, 0);
    if (disk_dir_open(p->disk, name, &p->dir)) abort();
    disk_list(p->dir, push_file, p);
    disk_dir_close(p->dir);
    s->queue[count] = p->files - before;
    return 0;
}

static void drop_front(struct image_store *s)
{
    if (s->first == 0 || s->first < s->size / 2 || s->last < s->size) return;
    memmove(s->queue, s->queue + s->first, (s->last - s->first) * sizeof *s->queue);
    s->last -= s->first;
    s->first = 0;
}

void image_store_push(struct image_store *s, struct disk *disk, struct image_note note)
{
    struct push p;
    struct disk_dir *root;
    p.store = s;
    p.disk = disk;
    p.dirs = p.files = 0;
    drop_front(s);
    size_t start = s->last;
    push_number(s, 0);
    push_number(s, note.a);
    push_number(s, note.b);
    push_number(s, 0);
    if (disk_dir_open(disk, ".", &root)) abort();
    disk_list(root, push_dir, &p);
    disk_dir_close(root);
    s->queue[start + 3] = p.dirs;
    s->queue[start] = (uint32_t)(s->last - start);
    s->count++;
}

/* ---- popping ---- */

/* Creates the file whose numbers begin at `at`; returns where the next ones do. */
static size_t pop_file(struct image_store *s, size_t at, struct disk *disk,
                       struct disk_dir *dir)
{
    const char *name = s->names[s->queue[at]];
    uint32_t size = s->queue[at + 1];
    struct disk_file *file;
    size_t put;
    at += 2;
    if (size == LINK_MARK) {
        struct disk_dir *from;
        if (disk_dir_open(disk, s->names[s->queue[at]], &from)) abort();
        const char *first = s->names[s->queue[at + 1]];
        if (disk_link(from, first, dir, name, SITE_OTHER_LINK)) abort();
        disk_dir_close(from);
        return at + 2;
    }
    reserve(s, size);
    for (uint32_t done = 0; done < size; done += IMAGE_STORE_CHUNK)
        memcpy(s->buffer + done, chunk_at(s, s->queue[at++]), IMAGE_STORE_CHUNK);
    int e = disk_open(dir, name, DISK_WRITE | DISK_CREATE, SITE_OTHER_CREATE, &file);
    if (!e && size) e = disk_write(file, 0, s->buffer, size, SITE_OTHER_WRITE, &put);
    if (e) abort();
    disk_close(file);
    return at;
}

static size_t pop_dir(struct image_store *s, size_t at, struct disk *disk)
{
    const char *name = s->names[s->queue[at]];
    uint32_t files = s->queue[at + 1];
    struct disk_dir *dir;
    at += 2;
    if (disk_mkdir(disk, name, SITE_OTHER_MKDIR) || disk_dir_open(disk, name, &dir))
        abort();
    while (files-- > 0)
        at = pop_file(s, at, disk, dir);
    disk_dir_close(dir);
    return at;
}

struct image_note image_store_pop(struct image_store *s, struct disk *disk)
{
    assert(s->count > 0);
    struct image_note note = {s->queue[s->first + 1], s->queue[s->first + 2]};
    uint32_t dirs = s->queue[s->first + 3];
    size_t at = s->first + 4;
    while (dirs-- > 0)
        at = pop_dir(s, at, disk);
    s->first += s->queue[s->first];
    s->count--;
    return note;
}
