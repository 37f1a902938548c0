/* What the two halves of the C twin share: `speed_shim.c` and `speed.c`. */

#ifndef SIGTASK_SPEED_H
#define SIGTASK_SPEED_H

#include <Python.h>
#include <stddef.h>
#include <structmember.h>

#if PY_VERSION_HEX < 0x030C0000
#  define Py_T_OBJECT_EX T_OBJECT_EX
#  define Py_READONLY READONLY
#endif

typedef struct {
    PyTypeObject *shim_type;
    PyTypeObject *fresh;    /* _task.FreshTask; NULL until bind() */
    PyTypeObject *full;     /* _task.Task */
    Py_ssize_t inbox_at;    /* where in a Task its slots are, in bytes: `_inbox`, */
    Py_ssize_t parent_at;   /* `_parent`, */
    Py_ssize_t ref_at;      /* and `_ref` */
    PyObject *current_task; /* loop -> the task that it runs, or None */
    PyObject *running_loop; /* asyncio's */
    PyObject *iscoroutine;  /* asyncio's */
    PyObject *link;         /* _task.link */
    PyObject *cover;        /* _task.cover, for a task whose parent may have a mask open (R14) */
    PyObject *no_args;      /* () */
    PyObject *loop_name;    /* "loop" */
} State;

extern PyType_Spec sigtask_shim_spec;

/* A shim for this coroutine; NULL with a TypeError for what is none. */
PyObject *sigtask_shim_new(State *state, PyObject *coro);

#endif
