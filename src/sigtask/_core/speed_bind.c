/* What the C twin is told of the Python that it is a part of: once, when sigtask is first used. */

#include "speed.h"

/* The docstrings of Python's methods, for those in C that stand in their place. */
static int
document(PyObject *docs)
{
    for (PyMethodDef *method = sigtask_task_methods; method->ml_name != NULL; method++) {
        PyObject *text = PyDict_GetItemString(docs, method->ml_name);
        const char *words = text == NULL ? NULL : PyUnicode_AsUTF8(text);
        char *kept = words == NULL || method->ml_doc != NULL ? NULL : PyMem_RawMalloc(strlen(words) + 1);
        if (kept != NULL) {
            method->ml_doc = strcpy(kept, words); /* for as long as the process lives */
        }
    }
    return PyErr_Occurred() ? -1 : 0;
}

static int
number(PyObject *names, const char *name, long *at)
{
    PyObject *value = PyDict_GetItemString(names, name);
    *at = value == NULL ? -1 : PyLong_AsLong(value);
    if (value == NULL) {
        PyErr_Format(PyExc_TypeError, "bind() misses %s", name);
    }
    return PyErr_Occurred() ? -1 : 0;
}

PyObject *
sigtask_bind(PyObject *module, PyObject *args)
{
    State *state = sigtask_state_of(module);
    PyObject *names, *docs, *value;
    if (!PyArg_ParseTuple(args, "O!O!:bind", &PyDict_Type, &names, &PyDict_Type, &docs)) {
        return NULL;
    }
#define X(name)                                                                                                        \
    if ((value = PyDict_GetItemString(names, #name)) == NULL) {                                                        \
        return PyErr_Format(PyExc_TypeError, "bind() misses %s", #name);                                               \
    }                                                                                                                  \
    Py_XSETREF(state->name, Py_NewRef(value));
    SIGTASK_BOUND(X)
#undef X
    if (number(names, "history_limit", &state->history_limit) < 0 ||
        number(names, "interrupt_level", &state->interrupt_level) < 0 ||
        number(names, "kill_level", &state->kill_level) < 0) {
        return NULL;
    }
    if (sigtask_find_stock(state) < 0 || sigtask_find_slots(state) < 0 || document(docs) < 0) {
        return NULL;
    }
    if (!PyType_IsSubtype((PyTypeObject *)state->fresh, state->kin_type)) {
        PyErr_Format(PyExc_TypeError, "bind() takes a class derived from Kin, got %R", state->fresh);
        return NULL;
    }
    state->init = state->kin_type->tp_base->tp_init;
    state->is_bound = 1;
    return sigtask_signal_init(state);
}


PyObject *
sigtask_bind_blocks(PyObject *module, PyObject *args)
{
    State *state = sigtask_state_of(module);
    PyObject *accept, *mask, *catch, *unused, *open, *closed;
    if (!PyArg_ParseTuple(args, "OOOOOO:bind_blocks", &accept, &mask, &catch, &unused, &open, &closed)) {
        return NULL;
    }
    Py_XSETREF(state->accept, Py_NewRef(accept));
    Py_XSETREF(state->mask, Py_NewRef(mask));
    Py_XSETREF(state->catch, Py_NewRef(catch));
    Py_XSETREF(state->unused, Py_NewRef(unused));
    Py_XSETREF(state->open, Py_NewRef(open));
    Py_XSETREF(state->closed, Py_NewRef(closed));
    Py_RETURN_NONE;
}

PyObject *
sigtask_bind_roll(PyObject *module, PyObject *args)
{
    State *state = sigtask_state_of(module);
    PyObject *row, *frame_place, *is_the_users, *is_leaf;
    if (!PyArg_ParseTuple(args, "O!OOO:bind_roll", &PyType_Type, &row, &frame_place, &is_the_users, &is_leaf)) {
        return NULL;
    }
    Py_XSETREF(state->row, Py_NewRef(row));
    Py_XSETREF(state->frame_place, Py_NewRef(frame_place));
    Py_XSETREF(state->is_the_users, Py_NewRef(is_the_users));
    Py_XSETREF(state->is_leaf, Py_NewRef(is_leaf));
    return sigtask_find_rows(state) < 0 ? NULL : Py_NewRef(Py_None);
}
