/* What a task does that a signal meets, where it goes the straight way: no block, no mask and no other signal is in its
 * way. `task.Task` and `receiver.Receiver` are the specification, and are called for everything else. */

#include "speed.h"

/* -- asyncio's own methods -------------------------------------------------------------------------------------------- */

typedef PyObject *(*Cancel)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

static PyObject *
stock_cancel(State *state, PyObject *task, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    return ((Cancel)(void (*)(void))state->stock->ml_meth)(task, args, nargs, names);
}

PyObject *
sigtask_stock_cancel(State *state, PyObject *task, PyObject *msg)
{
    return stock_cancel(state, task, &msg, msg != NULL, NULL);
}

int
sigtask_find_stock(State *state)
{
    PyObject *stock = (PyObject *)state->kin_type->tp_base, *found = PyObject_GetAttrString(stock, "cancel");
    if (found == NULL) {
        return -1;
    }
    PyMethodDef *method = Py_IS_TYPE(found, &PyMethodDescr_Type) ? ((PyMethodDescrObject *)found)->d_method : NULL;
    Py_DECREF(found); /* its type has it */
    if (method == NULL || method->ml_flags != (METH_FASTCALL | METH_KEYWORDS)) {
        PyErr_SetString(PyExc_ImportError, "asyncio's Task.cancel is not what this was built for");
        return -1;
    }
    state->stock = method;
    return (state->stock_done = PyObject_GetAttrString(stock, "done")) == NULL ||
                   (state->stock_get_loop = PyObject_GetAttrString(stock, "get_loop")) == NULL ||
                   (state->stock_get_name = PyObject_GetAttrString(stock, "get_name")) == NULL ||
                   (state->stock_cancelling = PyObject_GetAttrString(stock, "cancelling")) == NULL ||
                   (state->stock_uncancel = PyObject_GetAttrString(stock, "uncancel")) == NULL ||
                   (state->stock_result = PyObject_GetAttrString(stock, "result")) == NULL
               ? -1
               : 0;
}

/* Python's own method of that name, for what does not go the straight way. */
static PyObject *
by_python(PyObject *method, PyObject *task, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *all[8];
    Py_ssize_t n = nargs + (names == NULL ? 0 : PyTuple_GET_SIZE(names));
    if (n > 7) {
        return PyErr_Format(PyExc_TypeError, "%R takes fewer than %zd arguments", method, n);
    }
    all[0] = task;
    for (Py_ssize_t i = 0; i < n; i++) {
        all[i + 1] = args[i];
    }
    return PyObject_Vectorcall(method, all, (size_t)nargs + 1, names);
}

PyObject *
sigtask_running_task(State *state)
{
    PyObject *loop = PyObject_CallNoArgs(state->running_loop);
    PyObject *task = !IS(loop) ? NULL : PyObject_CallOneArg(state->current_task, loop);
    Py_XDECREF(loop);
    Py_XDECREF(task);
    return IS(task) && PyObject_TypeCheck(task, state->kin_type) && sigtask_shim_of(task) != NULL ? task : NULL;
}

/* -- sending ------------------------------------------------------------------------------------------------------------ */

PyObject *
sigtask_task__receive(PyObject *task, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    if (nargs < 1 || nargs > 3 || names != NULL || !PyObject_TypeCheck(args[0], (PyTypeObject *)state->signal)) {
        return by_python(state->receive, task, args, nargs, names);
    }
    int awaited = nargs > 1 && args[1] == Py_True;
    PyObject *sender = nargs > 2 && !Py_IsNone(args[2]) ? args[2] : NULL;
    return Py_XNewRef(sigtask_receive(state, task, args[0], awaited, sender));
}

/* Sends what is given away here, or NULL with an exception. */
static PyObject *
sent(State *state, PyObject *task, PyObject *signal)
{
    PyObject *fate = signal == NULL ? NULL : sigtask_receive(state, task, signal, 0, NULL);
    Py_XDECREF(signal);
    return fate == NULL ? NULL : PyBool_FromLong(fate != state->refused);
}

int
sigtask_is_own(State *state, PyObject *what)
{
    return what == state->Terminate || what == state->Interrupt || what == state->Drain || what == state->Kill;
}

PyObject *
sigtask_task_send_signal(PyObject *task, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs,
                         PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    if (nargs != 1 || names != NULL) {
        return by_python(state->send_signal, task, args, nargs, names);
    }
    PyObject *signal = NULL;
    if (sigtask_is_own(state, args[0])) {
        signal = sigtask_signal_new(args[0], Py_None);
    }
    else if (PyObject_TypeCheck(args[0], (PyTypeObject *)state->signal) &&
             !Py_IS_TYPE(args[0], (PyTypeObject *)state->signal)) {
        PyObject *dict = ((PyBaseExceptionObject *)args[0])->dict;
        if (dict != NULL && PyDict_GET_SIZE(dict) > 0) {
            int has_level = PyDict_Contains(dict, state->level_name);
            if (has_level != 0) {
                return has_level < 0 ? NULL : by_python(state->send_signal, task, args, nargs, names);
            }
        }
        signal = Py_NewRef(args[0]);
    }
    else {
        return by_python(state->send_signal, task, args, nargs, names);
    }
    return sent(state, task, signal);
}

/* Task.terminate(reason=None) and its likes. */
static PyObject *
send(PyObject *task, State *state, PyObject *cls, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    if (nargs + named > 1 || (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "reason") != 0)) {
        PyErr_Format(PyExc_TypeError, "a %s is sent with one reason, or with none", ((PyTypeObject *)cls)->tp_name);
        return NULL;
    }
    return sent(state, task, sigtask_signal_new(cls, nargs + named ? args[0] : Py_None));
}

#define SHORT_FORM(name, cls)                                                                                          \
    PyObject *sigtask_task_##name(PyObject *task, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs,     \
                                  PyObject *names)                                                                     \
    {                                                                                                                  \
        State *state = (State *)PyType_GetModuleState(defining);                                                       \
        return send(task, state, state->cls, args, nargs, names);                                                      \
    }
SHORT_FORM(drain, Drain)
SHORT_FORM(interrupt, Interrupt)
SHORT_FORM(terminate, Terminate)
SHORT_FORM(kill, Kill)

/* -- cancel() ----------------------------------------------------------------------------------------------------------- */

/* Whether the task has an inbox in which nothing is open, at work or on its way. */
static int
is_quiet(Inbox *inbox)
{
    return inbox->blocks == NULL && inbox->covers == NULL && inbox->pending == NULL && inbox->delivered == NULL &&
           !IS(inbox->flying) && !IS(inbox->doom) && inbox->landed == 0 && inbox->plain_held == 0 && !inbox->cause_is_due;
}

#define LONGEST 100000 /* handling._LONGEST: a chain of exceptions that is longer is a ring */

/* The signal that the running parent is handling (Inbox.in_force): 1; 0 for none; -1 for Python to find out; -2: an
 * exception. */
static int
find_force(Inbox *theirs, Delivery **force)
{
    if (!sigtask_may_be_busy(theirs)) {
        return 0;
    }
    if (PyTuple_CheckExact(theirs->delivered)) {
        return -1;
    }
    *force = (Delivery *)theirs->delivered;
    PyObject *signal = PyObject_CallNoArgs((*force)->thrown);
    if (signal == NULL) {
        return -2;
    }
    PyObject *handled = PyErr_GetHandledException(); /* which is that of the running task, or of what it has called */
    int found = 0;
    PyObject *error = handled;
    for (int n = 0; error != NULL && !found && n < LONGEST; n++) {
        found = error == signal;
        error = ((PyBaseExceptionObject *)error)->context;
    }
    Py_XDECREF(handled);
    Py_DECREF(signal);
    return found;
}

/* Receiver._is_passed_on and _cancel_plainly, where a group's parent handles a signal and the child has met none: 1 when
 * its cause is noted; 0 when there is no such cause; -1 for Python to decide; -2: an exception. */
static int
note_cause(State *state, PyObject *task)
{
    PyObject *parent = sigtask_parent_of(task);
    Inbox *theirs = parent == NULL ? NULL : sigtask_inbox_of(parent), *inbox = sigtask_inbox_of(task);
    if (inbox != NULL && !is_quiet(inbox)) {
        return -1;
    }
    if (theirs == NULL) {
        return 0;
    }
    PyObject *coro = sigtask_shim_of(parent)->coro;
    if (coro == NULL || !PyCoro_CheckExact(coro)) {
        return -1;
    }
    int running = sigtask_is_true(PyObject_GetAttr(coro, state->running_name));
    if (running <= 0) {
        return running < 0 ? -2 : 0;
    }
    Delivery *force = NULL;
    int found = find_force(theirs, &force);
    if (found <= 0) {
        return found;
    }
    PyObject *done = PyObject_CallOneArg(state->stock_done, task), *signal = NULL;
    Py_XDECREF(done);
    if (done != Py_False) {
        return done == NULL ? -2 : 0;
    }
    if ((inbox = sigtask_mailbox(state, task)) == NULL ||
        (signal = IS(force->copy) ? Py_NewRef(force->copy) : PyObject_GetAttr((PyObject *)force, state->signal_name)) == NULL) {
        return -2;
    }
    Py_XSETREF(inbox->cause, signal);
    inbox->cause_is_due = 1;
    return 1;
}

/* As asyncio's, for a task to which nothing else applies. asyncio cancels what a task awaits by a call of this, and so
 * on down a chain of tasks: to get there by a call of Python's would halve the depth that is possible. */
PyObject *
sigtask_task_cancel(PyObject *task, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    int is_simple = nargs + named <= 1 && sigtask_shim_of(task) != NULL &&
                    (named == 0 || PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(names, 0), "msg") == 0);
    PyObject *msg = nargs + named ? args[0] : Py_None;
    if (!is_simple) {
        return by_python(state->cancel, task, args, nargs, names);
    }
    Inbox *inbox = sigtask_inbox_of(task);
    if (PyObject_TypeCheck(msg, (PyTypeObject *)state->signal)) {
        if (Py_IS_TYPE(msg, (PyTypeObject *)state->signal)) {
            return by_python(state->cancel, task, args, nargs, names);
        }
        if (inbox != NULL && IS(inbox->flying) &&
            sigtask_origin(((Delivery *)inbox->flying)->given) == sigtask_origin(msg)) {
            sigtask_came_back(task);
        }
        PyObject *fate = sigtask_receive(state, task, msg, 1, NULL);
        return fate == NULL ? NULL : PyBool_FromLong(fate == state->in_flight);
    }
    switch (note_cause(state, task)) {
    case -2:
        return NULL;
    case -1:
        return by_python(state->cancel, task, args, nargs, names);
    case 1:
        inbox = sigtask_inbox_of(task);
        inbox->plain_below = 1;
        inbox->send = RESUMING;
    }
    return stock_cancel(state, task, args, nargs, names);
}

PyObject *
sigtask_task__mailbox(PyObject *task, PyTypeObject *defining, PyObject *const *Py_UNUSED(args), Py_ssize_t Py_UNUSED(nargs),
                      PyObject *Py_UNUSED(names))
{
    if (sigtask_shim_of(task) == NULL) {
        return PyErr_Format(PyExc_RuntimeError, "%s.__init__() was not called", Py_TYPE(task)->tp_name);
    }
    Inbox *inbox = sigtask_mailbox((State *)PyType_GetModuleState(defining), task);
    return inbox == NULL ? NULL : sigtask_expose((PyObject *)inbox);
}

/* -- uncancel() and result() ---------------------------------------------------------------------------------------------- */

void
sigtask_take_back(State *state, Inbox *inbox, int requests)
{
    int many = inbox->history != NULL && PyList_Check(inbox->history);
    Py_ssize_t n = many ? PyList_GET_SIZE(inbox->history) : inbox->history != NULL;
    while (requests > 0 && --n >= 0) {
        Delivery *one = (Delivery *)(many ? PyList_GET_ITEM(inbox->history, n) : inbox->history);
        if (sigtask_is_delivery((PyObject *)one) && one->fate == state->delivered && !one->taken_back) {
            one->taken_back = 1;
            requests -= one->requests;
        }
    }
}

PyObject *
sigtask_task_uncancel(PyObject *task, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Inbox *inbox = sigtask_inbox_of(task);
    if (nargs != 0 || names != NULL || (inbox != NULL && (inbox->plain_held || IS(inbox->again) || IS(inbox->flying)))) {
        return by_python(state->uncancel, task, args, nargs, names);
    }
    PyObject *left = PyObject_CallOneArg(state->stock_uncancel, task);
    if (left != NULL && inbox != NULL) {
        int back = inbox->owed - (int)PyLong_AsLong(left);
        if (back > 0) {
            inbox->owed -= back;
            sigtask_take_back(state, inbox, back);
        }
    }
    return left;
}

/* ending.claim, for the first who asks, of a task that was ended by just the signal that was thrown into it. */
static int
claim(State *state, PyObject *task, PyObject *error)
{
    Inbox *inbox = sigtask_inbox_of(task);
    if (inbox == NULL || !IS(inbox->ended) || inbox->end_is_known ||
        !PyObject_TypeCheck(error, (PyTypeObject *)state->signal)) {
        return 0;
    }
    PyObject *asker = sigtask_running_task(state);
    if (asker == NULL ? PyErr_Occurred() != NULL : sigtask_mailbox(state, asker) == NULL) {
        return -1;
    }
    inbox->end_is_known = inbox->end_is_shown = 1;
    Py_XSETREF(SLOT(error, sigtask_slots.shown), Py_NewRef(Py_True));
    return 1;
}

PyObject *
sigtask_task_result(PyObject *task, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    if (nargs != 0 || names != NULL) {
        PyErr_SetString(PyExc_TypeError, "Task.result() takes no arguments");
        return NULL;
    }
    PyObject *result = PyObject_CallOneArg(state->stock_result, task);
    if (result != NULL || !PyErr_ExceptionMatches(state->cancelled)) {
        return result;
    }
    PyObject *error = sigtask_catch();
    int claimed = claim(state, task, error);
    if (claimed > 0) {
        sigtask_raise(error);
    }
    else if (claimed == 0) {
        result = PyObject_CallFunctionObjArgs(state->claim, task, error, NULL);
    }
    if (claimed <= 0) {
        Py_DECREF(error);
    }
    return result;
}
