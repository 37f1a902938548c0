/* What `speed_roll.c` (the roll of a stop) and `speed_rows.c` (its rows) share. */

#ifndef SIGTASK_SPEED_ROLL_H
#define SIGTASK_SPEED_ROLL_H

#include "speed.h"

#define PLACES 64

/* Where a task stands, at this instruction of this code: what its row says, `{rung: place}`, is the same for all there. */
typedef struct {
    PyObject *code, *stood;
    int lasti;
} Place;

typedef struct {
    PyObject_HEAD
    PyObject *alive, *rows, *context, *name, *clock, *slow, *last;
    PyObject *empty, *none_swallowed;       /* {} and [], which rows share as long as there is nothing in them */
    PyObject *seconds, *ended_by, *by_class; /* what the last row had, for the next one; of which class that was */
    double began, seconds_of;
    Py_ssize_t left, ended, sent;
    char everything, has_descendants;
    Place places[PLACES];
} Roll;

/* rows.new_row, of a task of ours that is not done; `coro` is what it runs. */
PyObject *sigtask_new_row(State *state, Roll *self, PyObject *task, PyObject *coro);

/* The coroutine of a task of ours that is not done; NULL for anything else, of which Python is to make the row. */
PyObject *sigtask_coroutine_of(State *state, PyObject *task);

/* `{rung: place}` of a task. Borrowed; NULL for Python to find out, or with an exception. */
PyObject *sigtask_stood_of(State *state, Roll *self, PyObject *coro);
void sigtask_forget_places(Roll *self);

#define SET(row, at, value) Py_XSETREF(SLOT(row, sigtask_rows.at), Py_NewRef(value))

#endif
