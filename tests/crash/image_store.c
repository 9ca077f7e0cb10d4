/* image_store.c - see image_store.h. An image in the queue is a run of numbers:
 *
 *     length, note a, note b, files + 1 (0: no directory), per file: name, size, chunks
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
    const char *path;
    struct disk_dir *dir;
    uint32_t files;
    uint32_t inodes[FILES_MAX], names[FILES_MAX]; /* of the files so far */
};

/* Notes the name of a file that was pushed under another one. */
static bool push_link(struct push *p, const char *name)
{
    struct image_store *s = p->store;
    uint32_t inode = disk_sim_inode(p->disk, p->path, name);
    assert(p->files < FILES_MAX);
    p->inodes[p->files] = inode;
    p->names[p->files] = name_number(s, name);
    for (uint32_t i = 0; i < p->files; i++) {
        if (p->inodes[i] != inode) continue;
        push_number(s, p->names[p->files++]);
        push_number(s, LINK_MARK);
        push_number(s, p->names[i]);
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

static void drop_front(struct image_store *s)
{
    if (s->first == 0 || s->first < s->size / 2 || s->last < s->size) return;
    memmove(s->queue, s->queue + s->first, (s->last - s->first) * sizeof *s->queue);
    s->last -= s->first;
    s->first = 0;
}

void image_store_push(struct image_store *s, struct disk *disk, const char *dir,
                      struct image_note note)
{
    struct push p;
    p.store = s;
    p.disk = disk;
    p.path = dir;
    p.files = 0;
    drop_front(s);
    size_t start = s->last;
    push_number(s, 0);
    push_number(s, note.a);
    push_number(s, note.b);
    push_number(s, 0);
    if (disk_dir_open(disk, dir, &p.dir) == 0) {
        disk_list(p.dir, push_file, &p);
        disk_dir_close(p.dir);
        s->queue[start + 3] = p.files + 1;
    }
    s->queue[start] = (uint32_t)(s->last - start);
    s->count++;
}

/* ---- popping ---- */

/* Creates the file whose numbers begin at `at`; returns where the next ones do. */
static size_t pop_file(struct image_store *s, size_t at, struct disk_dir *dir)
{
    const char *name = s->names[s->queue[at]];
    uint32_t size = s->queue[at + 1];
    struct disk_file *file;
    size_t put;
    at += 2;
    if (size == LINK_MARK) {
        if (disk_link(dir, s->names[s->queue[at]], dir, name, SITE_OTHER_LINK)) abort();
        return at + 1;
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

struct image_note image_store_pop(struct image_store *s, struct disk *disk,
                                  const char *dir)
{
    assert(s->count > 0);
    struct image_note note = {s->queue[s->first + 1], s->queue[s->first + 2]};
    uint32_t files = s->queue[s->first + 3];
    size_t at = s->first + 4;
    struct disk_dir *d;
    if (files > 0) {
        if (disk_mkdir(disk, dir, SITE_OTHER_MKDIR) || disk_dir_open(disk, dir, &d))
            abort();
        for (uint32_t i = 1; i < files; i++)
            at = pop_file(s, at, d);
        disk_dir_close(d);
    }
    s->first += s->queue[s->first];
    s->count--;
    return note;
}
