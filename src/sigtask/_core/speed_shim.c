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
    Shim *self = PyObject_New(Shim, state->shim_type);
    if (self == NULL) {
        return NULL;
    }
    self->coro = Py_NewRef(coro);
    self->inbox = NULL;
    self->links = (Links){NULL};
#if PY_VERSION_HEX >= 0x030E0000
    self->code = NULL;
#endif
    return (PyObject *)self;
}

int
sigtask_shim_visit(Shim *self, visitproc visit, void *arg)
{
    Py_VISIT(self->coro);
    Py_VISIT(self->inbox);
    if (self->inbox != NULL && !PyObject_GC_IsTracked(self->inbox) && Py_REFCNT(self->inbox) == 1) {
        return sigtask_inbox_traverse(self->inbox, visit, arg); /* nobody else has it: it is a part of this */
    }
    return 0;
}

void
sigtask_shim_clear(Shim *self)
{
    Py_CLEAR(self->coro);
    Py_CLEAR(self->inbox);
}

static void
shim_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    sigtask_shim_clear((Shim *)op);
    PyObject_Free(op);
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

static PyObject *
shim_get_send(PyObject *op, void *Py_UNUSED(closure))
{
    Shim *self = (Shim *)op;
    int stand_in = self->inbox == NULL ? OWN_SEND : ((Inbox *)self->inbox)->send;
    if (stand_in != OWN_SEND) {
        return PyObject_GetAttrString(op, stand_in == RESUMING ? "_resume" : "_born_killed");
    }
    if (self->coro == NULL) {
        PyErr_SetString(PyExc_AttributeError, "send");
        return NULL;
    }
    return PyObject_GetAttrString(self->coro, "send");
}

static PySendResult
shim_am_send(PyObject *op, PyObject *value, PyObject **result)
{
    Shim *self = (Shim *)op;
    int is_own = self->inbox == NULL || ((Inbox *)self->inbox)->send == OWN_SEND;
    if (is_own && self->coro != NULL) {
        /* As PyIter_Send does, but this one is entered on every step of every task. */
        PyAsyncMethods *async = Py_TYPE(self->coro)->tp_as_async;
        if (async != NULL && async->am_send != NULL) {
            return async->am_send(self->coro, value, result);
        }
        return PyIter_Send(self->coro, value, result);
    }
    *result = NULL;
    if (is_own) {
        PyErr_SetString(PyExc_RuntimeError, "the garbage collector has taken this shim apart");
        return PYGEN_ERROR;
    }
    PyObject *send = shim_get_send(op, NULL); /* it puts another one into the slot while it runs */
    if (send == NULL) {
        return PYGEN_ERROR;
    }
    *result = PyObject_CallOneArg(send, value);
    Py_DECREF(send);
    return *result == NULL ? returned_or_raised(result) : PYGEN_NEXT;
}

static int
shim_set_send(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    Shim *self = (Shim *)op;
    int is_method = value != NULL && PyMethod_Check(value);
    PyObject *of = is_method                                   ? PyMethod_GET_SELF(value)
                   : value != NULL && PyCFunction_Check(value) ? PyCFunction_GET_SELF(value)
                                                               : NULL;
    if (of == NULL || (of != self->coro && (of != op || self->inbox == NULL || !is_method))) {
        PyErr_SetString(PyExc_AttributeError, "a shim's send is the coroutine's own, or, with an inbox, one of its methods");
        return -1;
    }
    int stand_in = OWN_SEND;
    if (of == op) {
        PyObject *name = PyObject_GetAttrString(value, "__name__");
        if (name == NULL) {
            return -1;
        }
        int is_born_killed = PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, "_born_killed") == 0;
        stand_in = is_born_killed ? BORN_KILLED : RESUMING;
        Py_DECREF(name);
    }
    if (self->inbox != NULL) {
        ((Inbox *)self->inbox)->send = (char)stand_in;
    }
    return 0;
}

/* -- throw: Shim.throw, where a signal in flight meets a cancellation, or where no signal ever was ----------------------- */

static PyObject *
throw(State *state, Shim *self, PyObject *error)
{
    PyObject *args[] = {self->coro, error};
    return PyObject_VectorcallMethod(state->throw_name, args, 2, NULL);
}

/* Whether the coroutine is to be thrown this error as it is, no signal having met the task. */
static int
is_plain(State *state, PyObject *error)
{
    if (!Py_IS_TYPE(error, (PyTypeObject *)state->cancelled)) {
        return !PyObject_TypeCheck(error, (PyTypeObject *)state->signal);
    }
    PyObject *args = ((PyBaseExceptionObject *)error)->args;
    return PyTuple_GET_SIZE(args) == 0 || !PyObject_TypeCheck(PyTuple_GET_ITEM(args, 0), (PyTypeObject *)state->signal);
}

/* Whether the signal in flight is what is to be thrown in the place of this cancellation. */
static int
is_to_be_delivered(State *state, Inbox *inbox, PyObject *error)
{
    Delivery *delivery = (Delivery *)inbox->flying;
    if (!PyObject_TypeCheck(error, (PyTypeObject *)state->cancelled) || sigtask_may_be_busy(inbox) ||
        sigtask_level(delivery->level) >= state->kill_level) {
        return 0;
    }
    if (delivery->below == NULL || (PyTuple_CheckExact(delivery->below) && PyTuple_GET_SIZE(delivery->below) == 0)) {
        return 1;
    }
    return PyObject_TypeCheck(error, (PyTypeObject *)state->signal) && /* what is awaited has ended of the same */
           sigtask_origin(error) == sigtask_origin(delivery->given);
}

/* Inbox.land, where no signal that was thrown before is still there. */
static void
land(State *state, Inbox *inbox)
{
    Delivery *delivery = (Delivery *)inbox->flying;
    PyObject *below = delivery->below, *before = inbox->delivered; /* to let go of these may run Python of anybody's */
    Py_XSETREF(delivery->fate, Py_NewRef(state->delivered));
    delivery->requests = inbox->weight;
    delivery->below = NULL;
    delivery->taken_back = inbox->weight == 0;
    delivery->number = ++inbox->landed;
    inbox->owed += inbox->weight;
    inbox->weight = 0;
    inbox->delivered = inbox->flying;
    inbox->flying = NULL;
    Py_XDECREF(below);
    Py_XDECREF(before);
}

/* What Shim._deliver does when the coroutine has caught the signal and waits again. */
static void
note_caught(Delivery *delivery, PyObject *signal)
{
    PyObject *trace = ((PyBaseExceptionObject *)signal)->traceback;
    if (trace != NULL && PyTraceBack_Check(trace)) { /* on Python 3.11 one that was taken away is None */
        Py_XSETREF(delivery->caught_at, (PyObject *)PyFrame_GetCode(((PyTracebackObject *)trace)->tb_frame));
        delivery->caught_lasti = ((PyTracebackObject *)trace)->tb_lasti;
    }
}

/* Shim._deliver */
static PyObject *
deliver(State *state, Shim *self, Inbox *inbox, PyObject *error)
{
    Delivery *delivery = (Delivery *)Py_NewRef(inbox->flying);
    land(state, inbox);
    PyObject *yielded = NULL, *signal = sigtask_fresh(state, delivery);
    if (signal == NULL) {
        goto done;
    }
    PyObject *trace = ((PyBaseExceptionObject *)error)->traceback;
    if (trace != NULL && PyException_SetTraceback(signal, trace) < 0) {
        goto done;
    }
    yielded = throw(state, self, signal);
    if (yielded != NULL) {
        note_caught(delivery, signal);
        Py_CLEAR(signal);
        if (!sigtask_lives(delivery->thrown)) {
            Py_CLEAR(delivery->thrown); /* so a report can tell that it was swallowed right there */
        }
        goto done;
    }
    PyObject *raised = sigtask_catch();
    if (raised == signal && sigtask_is_as_it_came(signal, delivery)) {
        Py_XSETREF(inbox->ended, Py_NewRef(delivery)); /* no note, no partial result was added */
    }
    if (raised != NULL) {
        sigtask_raise(raised);
    }
done:
    Py_XDECREF(signal);
    Py_DECREF(delivery);
    return yielded;
}

/* Inbox.land_plain, where no signal was thrown before. */
static int
land_plain(Inbox *inbox, PyObject *error)
{
    PyObject *ref = sigtask_weak(error);
    if (ref == NULL) {
        return -1;
    }
    Py_XSETREF(inbox->plain_thrown, ref);
    Py_CLEAR(inbox->plain_under);
    if (inbox->cause_is_due && inbox->plain_held == 0) {
        PyObject *caused = PyTuple_Pack(2, ref, inbox->cause);
        if (caused == NULL) {
            return -1;
        }
        inbox->cause_is_due = 0;
        Py_XSETREF(inbox->caused, caused);
        if (((PyBaseExceptionObject *)error)->cause == NULL) {
            PyException_SetCause(error, Py_NewRef(inbox->cause));
        }
    }
    return 0;
}

static PyObject *
shim_throw(PyObject *op, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Shim *self = (Shim *)op;
    Inbox *inbox = (Inbox *)self->inbox;
    if (nargs != 1 || names != NULL || self->coro == NULL || !PyExceptionInstance_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "throw() takes an exception");
        return NULL;
    }
    if (inbox == NULL || Py_IsNone((PyObject *)inbox)) {
        if (is_plain(state, args[0])) {
            return throw(state, self, args[0]);
        }
    }
    else if (IS(inbox->flying) && !IS(inbox->doom) && is_to_be_delivered(state, inbox, args[0])) {
        inbox->plain_below = 0; /* Inbox.await_ended, in a cancellation */
        inbox->send = OWN_SEND;
        Py_INCREF(inbox);
        PyObject *yielded = deliver(state, self, inbox, args[0]);
        Py_DECREF(inbox);
        return yielded;
    }
    else if (!IS(inbox->flying) && !IS(inbox->doom) && inbox->delivered == NULL &&
             Py_IS_TYPE(args[0], (PyTypeObject *)state->cancelled) && is_plain(state, args[0])) {
        inbox->plain_below = 0;
        return land_plain(inbox, args[0]) < 0 ? NULL : throw(state, self, args[0]);
    }
    return PyObject_CallFunctionObjArgs(state->throw, op, args[0], NULL);
}

static PyObject *
shim_get_inbox(PyObject *op, void *Py_UNUSED(closure))
{
    PyObject *inbox = ((Shim *)op)->inbox;
    return inbox == NULL || Py_IsNone(inbox) ? Py_NewRef(Py_None) : sigtask_expose(inbox);
}

static int
shim_set_inbox(PyObject *op, PyObject *value, void *Py_UNUSED(closure))
{
    State *state = (State *)PyType_GetModuleState(Py_TYPE(op));
    if (value == NULL || !Py_IS_TYPE(value, state->inbox_type)) {
        PyErr_SetString(PyExc_TypeError, "a shim's inbox is an Inbox");
        return -1;
    }
    if (((Shim *)op)->inbox != NULL && ((Shim *)op)->inbox != value) {
        PyErr_SetString(PyExc_AttributeError, "a task keeps the inbox that it has"); /* which knows the task, until it goes */
        return -1;
    }
    Py_XSETREF(((Shim *)op)->inbox, Py_NewRef(value));
    return 0;
}

static PyMethodDef shim_methods[] = {
    {"throw", (PyCFunction)(void (*)(void))shim_throw, METH_METHOD | METH_FASTCALL | METH_KEYWORDS,
     "throw($self, error, /)\n--\n\nasyncio's throw. A cancellation that a signal asked for becomes that signal."},
    {NULL},
};

static PyMemberDef shim_members[] = {
    {"coro", Py_T_OBJECT_EX, offsetof(Shim, coro), Py_READONLY, "The user's coroutine."},
    {NULL},
};

static PyGetSetDef shim_getset[] = {
    {"send", shim_get_send, shim_set_send, "The coroutine's own send, or what stands in for it.", NULL},
    {"inbox", shim_get_inbox, shim_set_inbox, "The task's signals, or None.", NULL},
    {NULL},
};

static PyType_Slot shim_slots[] = {
    {Py_tp_doc, "Drives `coro` for a task; shim.Shim is its specification, and lends it its methods."},
    {Py_tp_dealloc, shim_dealloc},
    {Py_tp_methods, shim_methods},
    {Py_tp_members, shim_members},
    {Py_tp_getset, shim_getset},
    {Py_am_send, shim_am_send},
    {0, NULL},
};

PyType_Spec sigtask_shim_spec = {
    .name = "sigtask._core.speed.Shim",
    .basicsize = sizeof(Shim),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = shim_slots,
};
