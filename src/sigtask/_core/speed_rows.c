/* A row of a report, as `rows.new_row` makes it, and where a task stands, as `places` says it: for a task of ours, suspended in
 * coroutines. */

#include "speed_roll.h"

/* -- rows --------------------------------------------------------------------------------------------------------------- */

Rows sigtask_rows;

int
sigtask_find_rows(State *state)
{
#define X(name)                                                                                                        \
    if ((sigtask_rows.name = sigtask_slot_at(state->row, #name)) < 0) {                                                \
        return -1;                                                                                                     \
    }
    SIGTASK_ROW(X)
#undef X
    return 0;
}

/* Not tracked: what is in it leads nowhere. */
PyObject *
sigtask_new_row(State *state, Roll *self, PyObject *task, PyObject *coro)
{
    PyObject *name = PyObject_CallOneArg(state->stock_get_name, task);
    PyObject *what = name == NULL ? NULL : PyObject_GetAttr(coro, state->qualname_name);
    PyObject *row = what == NULL ? NULL : sigtask_blank((PyTypeObject *)state->row);
    if (row != NULL) {
        SET(row, name, name);
        SET(row, ended, state->running_text);
        SET(row, rung, Py_None);
        SET(row, seconds, self->empty);
        SET(row, stood, self->empty);
        SET(row, cleaning_up, Py_None);
        SET(row, swallowed, self->none_swallowed);
        SET(row, refused, state->zero);
        SET(row, abandoned, Py_False);
        SET(row, descendant, Py_False);
        SET(row, note, Py_None);
        SET(row, coroutine, what);
        SET(row, stack, state->no_args);
    }
    Py_XDECREF(name);
    Py_XDECREF(what);
    return row;
}

PyObject *
sigtask_coroutine_of(State *state, PyObject *task)
{
    if (!Py_IS_TYPE(task, (PyTypeObject *)state->fresh) && !Py_IS_TYPE(task, (PyTypeObject *)state->full)) {
        return NULL;
    }
    Shim *shim = sigtask_shim_of(task);
    if (shim == NULL || shim->coro == NULL || !PyCoro_CheckExact(shim->coro)) {
        return NULL;
    }
    PyObject *done = PyObject_CallOneArg(state->stock_done, task);
    Py_XDECREF(done);
    return done == Py_False ? shim->coro : NULL;
}

/* -- where a task stands --------------------------------------------------------------------------------------------------- */

/* places._innermost, along a chain of coroutines that ends in what has no frame: a new reference to the frame; NULL for
 * Python to look, or with an exception. */
static PyFrameObject *
innermost(State *state, PyObject *coro)
{
    PyFrameObject *found = NULL;
    Py_INCREF(coro);
    while (PyCoro_CheckExact(coro)) {
        PyObject *frame = PyObject_GetAttr(coro, state->frame_name);
        if (!IS(frame)) {
            Py_XDECREF(frame);
            Py_XDECREF(found);
            Py_DECREF(coro);
            return NULL;
        }
        PyCodeObject *code = PyFrame_GetCode((PyFrameObject *)frame);
        int theirs = found == NULL ? 1 : sigtask_is_true(PyObject_CallOneArg(state->is_the_users, code->co_filename));
        Py_DECREF(code);
        if (theirs > 0) {
            Py_XSETREF(found, (PyFrameObject *)frame);
        }
        else {
            Py_DECREF(frame);
        }
        PyObject *next = theirs < 0 ? NULL : PyObject_GetAttr(coro, state->await_name);
        Py_DECREF(coro);
        if (next == NULL) {
            Py_XDECREF(found);
            return NULL;
        }
        coro = next;
    }
    int leaf = Py_IsNone(coro) || (PyObject *)Py_TYPE(coro) == state->leaf;
    if (!leaf) {
        leaf = sigtask_is_true(PyObject_CallOneArg(state->is_leaf, (PyObject *)Py_TYPE(coro)));
        if (leaf > 0) {
            Py_XSETREF(state->leaf, Py_NewRef(Py_TYPE(coro)));
        }
    }
    Py_DECREF(coro);
    if (leaf <= 0) {
        Py_CLEAR(found);
    }
    return found;
}

PyObject *
sigtask_stood_of(State *state, Roll *self, PyObject *coro)
{
    PyFrameObject *frame = innermost(state, coro);
    if (frame == NULL) {
        return NULL;
    }
    PyCodeObject *code = PyFrame_GetCode(frame);
    int lasti = PyFrame_GetLasti(frame);
    Place *at = &self->places[(((size_t)code >> 4) ^ (size_t)(unsigned)lasti) % PLACES];
    if (at->code != (PyObject *)code || at->lasti != lasti) {
        PyObject *place = PyObject_CallOneArg(state->frame_place, (PyObject *)frame), *stood = NULL;
        if (place != NULL && (stood = PyDict_New()) != NULL && PyDict_SetItem(stood, self->name, place) < 0) {
            Py_CLEAR(stood);
        }
        Py_XDECREF(place);
        Py_XSETREF(at->code, Py_NewRef(code));
        Py_XSETREF(at->stood, stood);
        at->lasti = lasti;
    }
    Py_DECREF(code);
    Py_DECREF(frame);
    return at->stood;
}

void
sigtask_forget_places(Roll *self)
{
    for (Py_ssize_t i = 0; i < PLACES; i++) {
        Py_CLEAR(self->places[i].code);
        Py_CLEAR(self->places[i].stood);
    }
}

/* -- what a stop asks of many tasks at once ------------------------------------------------------------------------------------ */

PyObject *
sigtask_have_children(PyObject *module, PyObject *tasks)
{
    State *state = sigtask_state_of(module);
    PyObject *all = PySequence_Fast(tasks, "have_children() takes tasks");
    int found = 0;
    for (Py_ssize_t i = 0; all != NULL && !found && i < PySequence_Fast_GET_SIZE(all); i++) {
        PyObject *task = PySequence_Fast_GET_ITEM(all, i);
        Shim *shim = PyObject_TypeCheck(task, state->kin_type) ? sigtask_shim_of(task) : NULL;
        found = shim != NULL && shim->links.first != NULL;
    }
    Py_XDECREF(all);
    return all == NULL ? NULL : PyBool_FromLong(found);
}

PyObject *
sigtask_all_belong(PyObject *module, PyObject *const *args, Py_ssize_t nargs)
{
    State *state = sigtask_state_of(module);
    if (nargs != 3 || !PyTuple_CheckExact(args[0])) {
        PyErr_SetString(PyExc_TypeError, "all_belong() takes a tuple of tasks, a loop, and a task that is not to be there");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(args[0]); i++) {
        PyObject *task = PyTuple_GET_ITEM(args[0], i);
        if (!PyObject_TypeCheck(task, state->kin_type) || task == args[2]) {
            Py_RETURN_FALSE;
        }
        PyObject *loop = PyObject_CallOneArg(state->stock_get_loop, task);
        Py_XDECREF(loop);
        if (loop != args[1]) {
            return loop == NULL ? NULL : Py_NewRef(Py_False);
        }
    }
    Py_RETURN_TRUE;
}
