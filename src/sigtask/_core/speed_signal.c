/* Making a signal, and the copies of it that are thrown: `signals.Signal` is the specification. */

#include "speed.h"

PyObject *
sigtask_catch(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *trace;
    PyErr_Fetch(&type, &error, &trace);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &error, &trace);
    if (trace != NULL) {
        PyException_SetTraceback(error, trace);
        Py_DECREF(trace);
    }
    Py_DECREF(type);
    return error;
#endif
}

void
sigtask_raise(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef(Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

long
sigtask_level(PyObject *level)
{
    int overflow = 0;
    if (level == NULL || !PyLong_Check(level)) {
        return -1;
    }
    long value = PyLong_AsLongAndOverflow(level, &overflow);
    return overflow > 0 ? LONG_MAX : overflow < 0 ? LONG_MIN : value;
}

Slots sigtask_slots;

/* Where the slots of this name lie; -1 with an exception. */
Py_ssize_t
sigtask_slot_at(PyObject *type, const char *name)
{
    PyObject *found = PyObject_GetAttrString(type, name);
    Py_ssize_t at = -1;
    if (found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        at = ((PyMemberDescrObject *)found)->d_member->offset;
    }
    else if (found != NULL) {
        PyErr_Format(PyExc_ImportError, "%R.%s is not the slot that this was built for", type, name);
    }
    Py_XDECREF(found);
    return at;
}

int
sigtask_find_slots(State *state)
{
    sigtask_slots.size = ((PyTypeObject *)state->signal)->tp_basicsize;
    return (sigtask_slots.reason = sigtask_slot_at(state->signal, "reason")) < 0 ||
                   (sigtask_slots.sender = sigtask_slot_at(state->signal, "sender")) < 0 ||
                   (sigtask_slots.sent_at = sigtask_slot_at(state->signal, "sent_at")) < 0 ||
                   (sigtask_slots.origin = sigtask_slot_at(state->signal, "_origin")) < 0 ||
                   (sigtask_slots.target = sigtask_slot_at(state->signal, "_target")) < 0 ||
                   (sigtask_slots.shown = sigtask_slot_at(state->signal, "_ended_another")) < 0
               ? -1
               : 0;
}

static void
put(PyObject *signal, Py_ssize_t at, PyObject *value)
{
    Py_XSETREF(SLOT(signal, at), Py_NewRef(value == NULL ? Py_None : value));
}

PyObject *
sigtask_origin(PyObject *signal)
{
    PyObject *origin = SLOT(signal, sigtask_slots.origin);
    return IS(origin) ? origin : signal;
}

/* Whether a user's class, or somebody, has given the signal more than Signal has: in its dict, where notes are, or in slots. */
static int
has_more(PyBaseExceptionObject *signal)
{
    return (signal->dict != NULL && PyDict_GET_SIZE(signal->dict) > 0) ||
           Py_TYPE(signal)->tp_basicsize != sigtask_slots.size;
}

/* Signal.addressed, of a signal to which the user has added nothing; else Python's. A new reference. */
static PyObject *
addressed(State *state, PyObject *given, PyObject *to, PyObject *sender, PyObject *sent_at)
{
    PyBaseExceptionObject *own = (PyBaseExceptionObject *)given;
    if (has_more(own)) {
        return PyObject_CallFunctionObjArgs(state->addressed, given, to, sender, sent_at, NULL);
    }
    PyObject *twin = ((PyTypeObject *)PyExc_BaseException)->tp_new(Py_TYPE(given), own->args, NULL);
    if (twin == NULL) {
        return NULL;
    }
    PyObject *named = SLOT(given, sigtask_slots.sender);
    put(twin, sigtask_slots.reason, SLOT(given, sigtask_slots.reason));
    put(twin, sigtask_slots.sender, IS(named) ? named : sender);
    put(twin, sigtask_slots.sent_at, sent_at);
    put(twin, sigtask_slots.origin, sigtask_origin(given));
    put(twin, sigtask_slots.target, to);
    if (own->cause != NULL) {
        PyException_SetCause(twin, Py_NewRef(own->cause));
    }
    return twin;
}

static PyObject *
or_none(PyObject *value)
{
    return value == NULL ? Py_None : value;
}

PyObject *
sigtask_copy(State *state, PyObject *signal)
{
    PyObject *twin = addressed(state, signal, or_none(SLOT(signal, sigtask_slots.target)),
                               or_none(SLOT(signal, sigtask_slots.sender)), or_none(SLOT(signal, sigtask_slots.sent_at)));
    if (twin != NULL) {
        put(twin, sigtask_slots.origin, SLOT(signal, sigtask_slots.origin));
    }
    return twin;
}

PyObject *
sigtask_copy_of(State *state, Delivery *delivery)
{
    return addressed(state, delivery->given, or_none(delivery->to), or_none(delivery->sender), delivery->sent_at);
}

PyObject *
sigtask_fresh(State *state, Delivery *delivery)
{
    PyObject *signal = sigtask_copy_of(state, delivery);
    PyObject *ref = signal == NULL ? NULL : sigtask_weak(signal);
    if (ref == NULL) {
        Py_XDECREF(signal);
        return NULL;
    }
    Py_XSETREF(delivery->thrown, ref);
    return signal;
}

int
sigtask_is_as_it_came(PyObject *signal, Delivery *delivery)
{
    PyBaseExceptionObject *own = (PyBaseExceptionObject *)signal, *given = (PyBaseExceptionObject *)delivery->given;
    PyObject *named = SLOT(given, sigtask_slots.sender);
    return !has_more(own) && own->cause == given->cause && own->args == given->args &&
           or_none(SLOT(own, sigtask_slots.reason)) == or_none(SLOT(given, sigtask_slots.reason)) &&
           or_none(SLOT(own, sigtask_slots.sender)) == or_none(IS(named) ? named : delivery->sender);
}

static int
fill(PyObject *self, PyObject *reason, PyObject *sender)
{
    PyObject *args = Py_IsNone(reason) ? PyTuple_New(0) : PyTuple_Pack(1, reason);
    if (args == NULL) {
        return -1;
    }
    Py_XSETREF(((PyBaseExceptionObject *)self)->args, args);
    put(self, sigtask_slots.reason, reason);
    put(self, sigtask_slots.sender, sender);
    put(self, sigtask_slots.sent_at, NULL);
    put(self, sigtask_slots.origin, NULL);
    put(self, sigtask_slots.target, NULL);
    if (PyExceptionInstance_Check(reason)) {
        PyException_SetCause(self, Py_NewRef(reason));
    }
    return 0;
}

PyObject *
sigtask_signal_new(PyObject *cls, PyObject *reason)
{
    PyTypeObject *base = (PyTypeObject *)PyExc_BaseException;
    PyObject *args = PyTuple_New(0), *self = args == NULL ? NULL : base->tp_new((PyTypeObject *)cls, args, NULL);
    Py_XDECREF(args);
    if (self != NULL && fill(self, reason, NULL) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

/* Signal.__init__ */
static PyObject *
init(PyObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *reason = nargs > 0 ? args[0] : Py_None, *sender = Py_None;
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    int twice = nargs > 1;
    for (Py_ssize_t i = 0; i < named && !twice; i++) {
        PyObject *name = PyTuple_GET_ITEM(names, i);
        if (PyUnicode_CompareWithASCIIString(name, "sender") == 0) {
            sender = args[nargs + i];
        }
        else if (nargs == 0 && PyUnicode_CompareWithASCIIString(name, "reason") == 0) {
            reason = args[nargs + i];
        }
        else {
            return PyErr_Format(PyExc_TypeError, "%s() takes reason and sender; what is %R?", Py_TYPE(self)->tp_name, name);
        }
    }
    if (twice) {
        return PyErr_Format(PyExc_TypeError, "%s() takes one reason, and was given %zd", Py_TYPE(self)->tp_name, nargs);
    }
    if (fill(self, reason, sender) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef init_method = {
    "__init__", (PyCFunction)(void (*)(void))init, METH_FASTCALL | METH_KEYWORDS,
    "__init__($self, reason=None, *, sender=None)\n--\n\n"};

PyObject *
sigtask_signal_init(State *state)
{
    return PyDescr_NewMethod((PyTypeObject *)state->signal, &init_method);
}
