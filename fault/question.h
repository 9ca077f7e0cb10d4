/* question.h - what points.c tells plan.c about the question that is being asked.
 *
 * Flow: points.c > libfiu > plan.c's callback > question
 * Only in builds with FIU_ENABLE, and only for these two files and their tests.
 */
#ifndef FAULT_QUESTION_H
#define FAULT_QUESTION_H

#include "fault/points.h"

struct point_row {
    const char *path;
    unsigned place, call; /* of the question at which the point is tried */
    enum fault_effect effect;
    int error;
};

extern const struct point_row point_rows[]; /* sorted by path */
extern const unsigned point_count;

/* One call of the program, asked about each of its points in turn. */
struct question {
    unsigned row;     /* the point that is asked for now */
    enum site site;   /* SITE_COUNT: a call without one */
    unsigned counted; /* bit i: plan i has counted this call */
};

extern _Thread_local struct question *question; /* NULL: nobody asks */

#endif
