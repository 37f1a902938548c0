/* Fields of the records (`speed_delivery.c`, `speed_inbox.c`) that are an empty tuple when nothing is in them. */

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

static inline int
set_tuple(PyObject *self, PyObject *value, void *offset)
{
    if (value != NULL && PyTuple_CheckExact(value) && PyTuple_GET_SIZE(value) == 0) {
        Py_CLEAR(*field(self, offset));
        return 0;
    }
    return sigtask_set_object(self, value, offset);
}


#endif
