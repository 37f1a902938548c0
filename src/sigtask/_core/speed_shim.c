/* The C twin of `shim.Shim`, which is its specification: it drives the coroutine in every step of its task. */

#include "speed.h"

PyObject *
sigtask_shim_new(State *state, PyObject *coro)
{
    if (!PyCoro_CheckExact(coro)) {
        PyObject *answer = PyObject_CallOneArg(state->iscoroutine, coro);
        if (answer == NULL) {
            return NULL;
        }
        int yes = PyObject_IsTrue(answer);
        Py_DECREF(answer);
        if (yes < 0) {
            return NULL;
        }
        if (!yes) {
            return PyErr_Format(PyExc_TypeError, "a coroutine was expected, got %R", coro);
        }
    }
    Shim *self = PyObject_GC_New(Shim, state->shim_type);
    if (self == NULL) {
        return NULL;
    }
    self->coro = Py_NewRef(coro);
    self->inbox = NULL;
    self->send = NULL;
    self->links = (Links){NULL};
#if PY_VERSION_HEX >= 0x030E0000
    self->code = NULL;
#endif
    PyObject_GC_Track(self);
    return (PyObject *)self;
}

static int
shim_traverse(PyObject *op, visitproc visit, void *arg)
{
    Shim *self = (Shim *)op;
    Py_VISIT(Py_TYPE(op));
    Py_VISIT(self->coro);
    Py_VISIT(self->inbox);
    Py_VISIT(self->send);
    return 0;
}

static int
shim_clear(PyObject *op)
{
    Shim *self = (Shim *)op;
    Py_CLEAR(self->coro);
    Py_CLEAR(self->inbox);
    Py_CLEAR(self->send);
    return 0;
}

static void
shim_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)shim_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

/* A call returned NULL. If that was by StopIteration, it has returned the value in it. */
static PySendResult
returned_or_raised(PyObject **result)
{
    if (!PyErr_ExceptionMatches(PyExc_StopIteration)) {
        return PYGEN_ERROR;
    }
#if PY_VERSION_HEX >= 0x030C0000
    PyObject *stop = PyErr_GetRaisedException();
#else
    PyObject *type, *stop, *trace;
    PyErr_Fetch(&type, &stop, &trace);
    PyErr_NormalizeException(&type, &stop, &trace);
    Py_XDECREF(type);
    Py_XDECREF(trace);
#endif
    *result = PyObject_GetAttrString(stop, "value");
    Py_DECREF(stop);
    return *result == NULL ? PYGEN_ERROR : PYGEN_RETURN;
}

static PySendResult
shim_am_send(PyObject *op, PyObject *value, PyObject **result)
{
    Shim *self = (Shim *)op;
    if (self->send == NULL && self->coro != NULL) {
        /* As PyIter_Send does, but this one is entered on every step of every task. */
        PyAsyncMethods *async = Py_TYPE(self->coro)->tp_as_async;
        if (async != NULL && async->am_send != NULL) {
            return async->am_send(self->coro, value, result);
        }
        return PyIter_Send(self->coro, value, result);
    }
    *result = NULL;
    if (self->send == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the garbage collector has taken this shim apart");
        return PYGEN_ERROR;
    }
    PyObject *send = Py_NewRef(self->send); /* it puts another one into the slot while it runs */
    *result = PyObject_CallOneArg(send, value);
    Py_DECREF(send);
    return *result == NULL ? returned_or_raised(result) : PYGEN_NEXT;
}

static PyObject *
shim_get_send(PyObject *op, void *Py_UNUSED(closure))
{
    Shim *self = (Shim *)op;
    if (self->send != NULL) {
        return Py_NewRef(self->send);
    }
    if (self->coro == NULL) {
        PyErr_SetString(PyExc_AttributeError, "send");
        return NULL;
    }
    return PyObject_GetAttrString(self->coro, "send");
}

static int
shim_set_send(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Shim *self = (Shim *)op;
    if (value == NULL) {
        PyErr_SetString(PyExc_AttributeError, "a shim's send can be replaced, and not deleted");
        return -1;
    }
    if ((PyCFunction_Check(value) && PyCFunction_GET_SELF(value) == self->coro) ||
        (PyMethod_Check(value) && PyMethod_GET_SELF(value) == self->coro)) {
        Py_CLEAR(self->send); /* the coroutine's own: back to the direct path */
    }
    else {
        Py_XSETREF(self->send, Py_NewRef(value));
    }
    return 0;
}

static PyMemberDef shim_members[] = {
    {"coro", Py_T_OBJECT_EX, offsetof(Shim, coro), Py_READONLY, "The user's coroutine."},
    {"inbox", T_OBJECT, offsetof(Shim, inbox), 0, "The task's signals, or None."},
    {NULL},
};

static PyGetSetDef shim_getset[] = {
    {"send", shim_get_send, shim_set_send, "The coroutine's own send, or what stands in for it.", NULL},
    {NULL},
};

static PyType_Slot shim_slots[] = {
    {Py_tp_doc, "Drives `coro` for a task; _shim.Shim is its specification, and lends it its methods."},
    {Py_tp_traverse, shim_traverse},
    {Py_tp_clear, shim_clear},
    {Py_tp_dealloc, shim_dealloc},
    {Py_tp_members, shim_members},
    {Py_tp_getset, shim_getset},
    {Py_am_send, shim_am_send},
    {0, NULL},
};

PyType_Spec sigtask_shim_spec = {
    .name = "sigtask._core.speed.Shim",
    .basicsize = sizeof(Shim),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = shim_slots,
};
