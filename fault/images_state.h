/* images_state.h - the inside of a window of crash images, for the images_*.c files.
 *
 * Flow:    images.c (open, close) > images_legal.c, images_show.c, images_text.c
 *          > images_names.c > images_walk.c, images_lazy.c, images_sample.c, images_count.c
 * Owns:    arrays that grow and are used again by the next window.
 *
 * A register of the window has *options*: its durable value, its versions, what profile V
 * adds, and then the torn contents. `chosen` is the option that the disk shows now.
 */
#ifndef FAULT_IMAGES_STATE_H
#define FAULT_IMAGES_STATE_H

#include "fault/disk_sim_state.h"
#include "fault/images.h"

enum option_kind {
    OPTION_VERSION, /* the base or a version, as it is */
    OPTION_STALE,   /* profile V: the base, with stale bytes beyond the durable size */
    OPTION_SPOILED, /* profile V: the version, with stale bytes outside what it wrote */
    OPTION_TORN,    /* between the version before and this one (R5) */
};

struct option {
    uint32_t value;      /* content (0 until made, of the other kinds), size, inode */
    uint32_t seq;        /* how far its register has come */
    uint32_t needs_seq;  /* how far the coupled register must have come; 0: alone */
    uint32_t needs_reg;  /* entries: the coupled register of the window */
    uint32_t version;    /* of the disk; 0: the base */
    uint32_t before;     /* content of the version before; OPTION_TORN */
    uint16_t kind, tear; /* which tear */
    uint32_t limbo;
};

struct image_reg {
    enum sim_reg_kind kind;
    uint32_t file;  /* chunk, size: index into files */
    uint32_t owner; /* inode or cell */
    uint32_t index; /* of the chunk */
    uint32_t first; /* of its options */
    uint32_t whole; /* options that are not torn; the torn ones follow */
    uint32_t torn;
    uint32_t chosen; /* 0 .. whole + torn - 1 */
    uint32_t shown;  /* chunk: the content in the slot */
    struct sim_slot *slot;
    struct sim_hash term; /* chunk: what it adds to the sum of its file */
    /* the walk: a digit that runs over allowed options to and fro */
    uint32_t allowed_count, position; /* the options lie in room[first..) */
    int direction;
    bool grouped; /* an entry that is in a group already */
    /* the lazy walk */
    bool decided;
    uint32_t marker;            /* chunk: the content that stands for "no fate yet" */
    struct sim_hash decided_as; /* chunk: hash of its content */
};

/* A register that a lazy visit has asked for, and which of its options it was given. */
struct image_decision {
    uint32_t reg;
    uint32_t options, taken;
};

/* Numbers of choices: with nothing torn, and with one chunk torn. */
struct image_weight {
    uint64_t whole, torn;
};

struct image_total {
    struct images_number whole, torn;
};

/* A file that some image may show, with its registers regs[from..to): chunks, then size. */
struct image_file {
    uint32_t inode;
    uint32_t cell; /* one of its names, for people */
    uint32_t from, to;
    uint32_t size_reg;       /* index of a register; NO_REG: the size is not pending */
    uint32_t size, size_seq; /* when it is not pending */
    uint32_t names;          /* in the image */
    uint32_t first_link;
    struct sim_hash names_sum;
    struct sim_hash sum;  /* of chunks */
    struct sim_hash term; /* what it adds to the image */
    /* The last such term, and what it was made of: most names stay from image to image. */
    struct sim_hash made, made_of_names, made_of_sum;
    uint32_t made_of_size;
    /* the walk: chunks that run are digits[from..from + running) */
    uint32_t running;
    struct image_weight frozen; /* choices of the chunks beyond the end */
    /* the lazy walk */
    struct sim_hash unpending;   /* sum over its chunks that have no register */
    struct image_total unopened; /* all choices inside it */
    struct sim_hash unopened_hash;
};

struct image_link {
    struct sim_hash name;
    uint32_t next;
};

#define NO_REG UINT32_MAX

/* A growing array: elements, count, size. */
struct list {
    void *item;
    uint32_t count, size;
};

struct images {
    struct mem *mem;
    struct sim *sim;
    enum disk_profile profile;
    unsigned tau;
    unsigned snapshot;
    bool open;
    uint32_t journal_floor, order_floor;
    struct list regs;      /* struct image_reg: entries, then file by file */
    struct list options;   /* struct option */
    struct list files;     /* struct image_file */
    struct list links;     /* struct image_link, rebuilt with the names */
    struct list file_of;   /* uint32_t per inode: index + 1 into files; directory: max */
    struct list room;      /* uint32_t: the digits' allowed options */
    struct list cuts;      /* struct image_cut: cache of contents cut at a size */
    struct list points;    /* uint32_t: cut points of J and O */
    struct list tuples;    /* uint32_t: legal choices of each group of names */
    struct list groups;    /* struct group, of images_walk.c */
    struct list members;   /* uint32_t: registers of groups */
    struct list digits;    /* uint32_t: registers that run */
    struct list decisions; /* struct image_decision, of images_lazy.c */
    uint32_t replayed;     /* decisions that this visit has taken so far */
    bool torn_decided;     /* one of them tears a chunk */
    bool lazy;             /* in a lazy visit */
    uint32_t entries;      /* registers that are entries: regs[0..entries) */
    struct sim_hash hash;
};

static inline struct image_reg *reg_at(const struct images *im, uint32_t i)
{
    return (struct image_reg *)im->regs.item + i;
}
static inline struct option *option_at(const struct images *im, const struct image_reg *r,
                                       uint32_t i)
{
    return (struct option *)im->options.item + r->first + i;
}
static inline const struct option *chosen_option(const struct images *im,
                                                 const struct image_reg *r)
{
    return option_at(im, r, r->chosen);
}
static inline struct image_file *file_at(const struct images *im, uint32_t i)
{
    return (struct image_file *)im->files.item + i;
}
static inline uint32_t *u32_at(const struct list *l, uint32_t i)
{
    return (uint32_t *)l->item + i;
}

/* Room for one more element; its index. */
uint32_t list_add(struct images *im, struct list *l, size_t item_bytes);
void list_push(struct images *im, struct list *l, uint32_t value);

bool images_weak(const struct images *im, enum disk_rule rule); /* what V adds */
bool images_rule_off(const struct images *im, enum disk_rule rule);
/* How names survive in this window. */
bool images_names_in_order(const struct images *im);  /* a prefix of their changes */
bool images_renames_coupled(const struct images *im); /* R10 holds as in W */
bool images_renames_atomic(const struct images *im);  /* both halves or neither */

/* True when the option of register r may stand beside the other registers' choices. */
bool images_coupled(const struct images *im, const struct image_reg *r,
                    const struct option *o);
/* True when what is chosen for an entry agrees with the other entries (not J, O). */
bool images_entry_legal(const struct images *im, const struct image_reg *r);
/* True when all that is chosen is legal under the profile and tau. */
bool images_legal(struct images *im);
/* The size option (or durable size) that file f shows now: its value and how far. */
void images_size(const struct images *im, const struct image_file *f, uint32_t *size,
                 uint32_t *seq);

/* All legal choices of names, one after another: chooses the first; the next, false after
 * the last. */
void images_names_first(struct images *im);
bool images_names_next(struct images *im);
/* Choices of a chunk beside the size that is chosen. */
struct image_weight images_chunk_choices(const struct images *im,
                                         const struct image_reg *r);

/* Forgets the contents that were made for the window before. */
void images_cuts_clear(struct images *im);
/* Puts choices on the disk and into the hash. After images_show_size of a file all its
 * chunks are right; after images_show_names all names and the image's hash. */
void images_show_chunk(struct images *im, struct image_reg *r);
void images_show_size(struct images *im, struct image_file *f);
void images_show_names(struct images *im);
void images_show_file_hash(struct images *im, struct image_file *f);
/* What a file with hash `file` adds to the image under all its names. */
struct sim_hash images_file_term(const struct images *im, const struct image_file *f,
                                 struct sim_hash file);
/* All of it, from whatever was shown before. */
void images_show(struct images *im);
/* The content of chunk r with what is chosen for it and for its size; made anew, so that
 * it may be asked for inside a visit. */
uint32_t images_chunk_content(struct images *im, const struct image_reg *r);
/* Shows the image to fn between a snapshot and a rollback. */
int images_visit(struct images *im, uint64_t weight, image_fn *fn, void *arg);

/* The micro-ops after which J (entries only) or O may be cut off, the floor first. */
void images_cut_points(struct images *im);
/* Chooses what a cut after micro-op `point` leaves: of entries (J), of all (O). */
void images_choose_prefix(struct images *im, uint32_t point, bool entries_only);
void images_choose_one(const struct images *im, struct image_reg *r, uint32_t point);

#endif
