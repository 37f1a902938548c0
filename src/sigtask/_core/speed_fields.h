/* Fields of the records that Python reads and writes. What C relies on is checked when Python sets it. */

#ifndef SIGTASK_SPEED_FIELDS_H
#define SIGTASK_SPEED_FIELDS_H

#include "speed.h"

#define AT(type, name) (void *)offsetof(type, name)

static inline PyObject **
field(PyObject *self, void *offset)
{
    return (PyObject **)((char *)self + (Py_ssize_t)(intptr_t)offset);
}

static inline PyObject *
get_tuple(PyObject *self, void *offset)
{
    PyObject *value = *field(self, offset);
    return value == NULL ? PyTuple_New(0) : Py_NewRef(value);
}

static inline int
sigtask_set_object(PyObject *self, PyObject *value, void *offset)
{
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "this can be set, and not deleted");
        return -1;
    }
    Py_XSETREF(*field(self, offset), Py_NewRef(value));
    return 0;
}

static inline PyObject *
get_object(PyObject *self, void *offset)
{
    PyObject *value = *field(self, offset);
    return Py_NewRef(value == NULL ? Py_None : value);
}

/* Sets what is right, or None; else a TypeError says what would have been. */
static inline int
set_if(int is_right, PyObject *self, PyObject *value, void *offset, const char *what)
{
    if (value != NULL && !Py_IsNone(value) && !is_right) {
        PyErr_Format(PyExc_TypeError, "this takes %s, got %R", what, value);
        return -1;
    }
    return sigtask_set_object(self, value, offset);
}

static inline int
set_delivery(PyObject *self, PyObject *value, void *offset)
{
    return set_if(sigtask_is_delivery(value), self, value, offset, "a Delivery");
}

/* A field that is an empty tuple when nothing is in it. */
static inline int
set_tuple(PyObject *self, PyObject *value, void *offset)
{
    if (value != NULL && PyTuple_CheckExact(value) && PyTuple_GET_SIZE(value) == 0) {
        Py_CLEAR(*field(self, offset));
        return 0;
    }
    if (value == NULL || !PyTuple_CheckExact(value)) {
        PyErr_SetString(PyExc_TypeError, "this takes a tuple");
        return -1;
    }
    return sigtask_set_object(self, value, offset);
}

#endif
