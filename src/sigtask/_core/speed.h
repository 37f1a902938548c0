/* What the parts of the C twin share: `speed.c` (the factory), `speed_shim.c` and `speed_kin.c`. */

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
    PyTypeObject *kin_type;
    PyTypeObject *fresh;    /* task.FreshTask; NULL until bind() */
    initproc init;          /* asyncio's own, of its C task */
    PyObject *current_task; /* loop -> the task that it runs, or None */
    PyObject *running_loop; /* asyncio's */
    PyObject *iscoroutine;  /* asyncio's */
    PyObject *cancel;       /* task.Task.cancel, for a task that has met a signal, or whose parent has */
    PyTypeObject *signal;   /* signals.Signal */
    PyMethodDef *stock;     /* asyncio's own `cancel`, of its C task */
    PyObject *adopt;        /* task.adopt, for a task whose parent is not one that has met no signal */
    PyObject *no_args;      /* () */
    PyObject *loop_name;    /* "loop" */
} State;

/* Who spawned a task, and whom it spawned: plain pointers that own nothing (`speed_kin.c`). */
typedef struct {
    PyObject *parent;
    PyObject *first;
    PyObject *next;
    PyObject *prev;
} Links;

/* What stands between a task and its coroutine (`speed_shim.c`). Both the task's own base and `Kin` have it. */
typedef struct {
    PyObject_HEAD
    PyObject *coro;  /* NULL only after tp_clear */
    PyObject *inbox; /* the task's, from the first signal or block on; else NULL */
    PyObject *send;  /* what stands in for the coroutine's own `send` while a signal is in flight; else NULL */
    Links links;     /* the task's, kept here because this has to be so long (`shim.BLANK`) */
#if PY_VERSION_HEX >= 0x030E0000
    void *code; /* NULL: to who reads this from outside as a coroutine, one without code */
#endif
} Shim;

extern PyType_Spec sigtask_shim_spec;

/* A shim for this coroutine; NULL with a TypeError for what is none. */
PyObject *sigtask_shim_new(State *state, PyObject *coro);

/* The class that knows parents and children, derived from asyncio's C task; NULL with an exception. */
PyTypeObject *sigtask_kin_type(PyObject *module);

/* This shim is the task's, which has none so far; before anything else is done with a Kin. */
void sigtask_attach(PyObject *task, PyObject *shim);

/* attach(task, shim): the same, for Python. */
PyObject *sigtask_py_attach(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

/* Note that `parent`, a Kin, has spawned `task`, another, which has no parent so far. */
void sigtask_link(PyObject *task, PyObject *parent);

/* Finds asyncio's own `cancel`; -1 with an exception. */
int sigtask_find_cancel(State *state);

/* link(task, parent): as above, for Python; gives whether `parent` is a Kin. */
PyObject *sigtask_py_link(PyObject *module, PyObject *const *args, Py_ssize_t nargs);

State *sigtask_state_of(PyObject *module);

#endif
