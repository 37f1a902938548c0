/* The C twin of `base_block.BaseBlock`: the fields of a block, and the straight way through `accept`, `mask` and `catch`, which
 * is by far the most common: opened and closed in a task that nothing is pending in. */

#include "speed_fields.h"

typedef struct {
    PyObject_HEAD
    PyObject *inbox, *state, *cls, *signal, *within, *timer, *waiting;
    int masks, accepts, owed, count;
    char plain;
} Block;

#define FIELDS(X) X(inbox) X(state) X(cls) X(signal) X(within) X(timer) X(waiting)

SIGTASK_COLLECTED(Block, block, FIELDS)

/* Python's own method, for what does not go the straight way. */
static PyObject *
by_method(PyObject *op, const char *name, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    PyObject *method = PyObject_GetAttrString(op, name);
    PyObject *answer = method == NULL ? NULL : PyObject_Vectorcall(method, args, (size_t)nargs, names);
    Py_XDECREF(method);
    return answer;
}

/* accept(cls), mask(cls) and catch(cls): `__init__` */
static PyObject *
init(PyObject *op, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Block *self = (Block *)op;
    PyObject *type = (PyObject *)Py_TYPE(op), *cls = nargs == 1 ? args[0] : state->Terminate;
    int is_mask = type == state->mask;
    if (names != NULL || nargs > 1 || (nargs == 0 && !is_mask) || !sigtask_is_own(state, cls) || cls == state->Kill ||
        (!is_mask && type != state->accept && type != state->catch)) {
        return by_method(op, "_init", args, nargs, names);
    }
    PyObject *value = PyObject_GetAttr(cls, state->level_name);
    if (value == NULL) {
        return NULL;
    }
    int level = (int)PyLong_AsLong(value);
    Py_DECREF(value);
    (void)block_clear(op); /* of what it was before, if it was something */
    self->plain = 0;
    Py_XSETREF(self->cls, Py_NewRef(cls));
    Py_XSETREF(self->state, Py_NewRef(state->unused));
    self->masks = is_mask ? level : 0;
    self->accepts = is_mask ? (int)state->kill_level : level;
    Py_RETURN_NONE;
}

/* Opens a block of that kind in the task: BaseBlock._enter. 0 for Python to do it; -1 with an exception. */
static int
enter(State *state, Block *self, PyObject **task)
{
    if (self->state != state->unused || (*task = sigtask_running_task(state)) == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    Inbox *inbox = sigtask_mailbox(state, *task);
    if (inbox == NULL || inbox->pending != NULL) {
        return inbox == NULL ? -1 : 0;
    }
    Py_ssize_t n = inbox->blocks == NULL ? 0 : PyTuple_GET_SIZE(inbox->blocks);
    PyObject *blocks = PyTuple_New(n + 1);
    if (blocks == NULL) {
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        PyTuple_SET_ITEM(blocks, i, Py_NewRef(PyTuple_GET_ITEM(inbox->blocks, i)));
    }
    PyTuple_SET_ITEM(blocks, n, Py_NewRef(self));
    Py_XSETREF(inbox->blocks, blocks);
    Py_XSETREF(self->inbox, sigtask_expose((PyObject *)inbox));
    Py_SETREF(self->state, Py_NewRef(state->open));
    return 1;
}

static PyObject *
block_enter(PyObject *op, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Block *self = (Block *)op;
    PyObject *type = (PyObject *)Py_TYPE(op), *task = NULL;
    int is_catch = type == state->catch;
    int entered = 0;
    if (nargs == 0 && names == NULL && (is_catch || type == state->accept || (type == state->mask && !IS(self->within)))) {
        entered = enter(state, self, &task);
    }
    if (entered <= 0) {
        return entered < 0 ? NULL : by_method(op, "_open", args, nargs, names);
    }
    if (!is_catch) {
        Py_RETURN_NONE;
    }
    PyObject *count = PyObject_CallOneArg(state->stock_cancelling, task);
    if (count == NULL) {
        return NULL;
    }
    self->count = (int)PyLong_AsLong(count);
    Py_DECREF(count);
    self->owed = ((Inbox *)self->inbox)->owed;
    return Py_NewRef(op);
}

/* BaseBlock._leave: 1 when it was the innermost one of the running task, in which nothing is held; else 0, for Python. */
static int
leave(State *state, Block *self, PyObject **task)
{
    Inbox *inbox = (Inbox *)self->inbox;
    *task = !IS(self->inbox) || inbox->address == NULL ? NULL : inbox->address->task;
    if (self->state != state->open || *task == NULL || inbox->pending != NULL || inbox->plain_held || inbox->blocks == NULL) {
        return 0;
    }
    if (sigtask_running_task(state) != *task) { /* it is closed elsewhere, as in a child that began inside a step of this task */
        return PyErr_Occurred() ? -1 : 0;
    }
    Py_ssize_t n = PyTuple_GET_SIZE(inbox->blocks);
    if (PyTuple_GET_ITEM(inbox->blocks, n - 1) != (PyObject *)self) {
        return 0;
    }
    PyObject *blocks = n == 1 ? NULL : PyTuple_GetSlice(inbox->blocks, 0, n - 1);
    if (n > 1 && blocks == NULL) {
        return -1;
    }
    Py_XSETREF(inbox->blocks, blocks);
    Py_SETREF(self->state, Py_NewRef(state->closed));
    return 1;
}

/* The delivery of which the user has got just this copy, and changed nothing in it: `signal` is made of that when somebody asks.
 * A new reference; NULL for a copy to be made now. */
static PyObject *
as_it_came(Inbox *inbox, PyObject *error)
{
    PyObject *one = inbox->delivered;
    if (!sigtask_is_delivery(one) || sigtask_origin(error) != sigtask_origin(((Delivery *)one)->given) ||
        !sigtask_is_as_it_came(error, (Delivery *)one)) {
        return NULL;
    }
    sigtask_track(one); /* the block has it, too */
    return Py_NewRef(one);
}

static PyObject *
get_signal(PyObject *op, void *Py_UNUSED(closure))
{
    Block *self = (Block *)op;
    if (sigtask_is_delivery(self->signal)) {
        State *state = (State *)PyType_GetModuleState(Py_TYPE(self->signal));
        PyObject *signal = sigtask_copy_of(state, (Delivery *)self->signal); /* the user may raise it: a copy of his own */
        if (signal == NULL) {
            return NULL;
        }
        Py_SETREF(self->signal, signal);
    }
    return Py_NewRef(self->signal == NULL ? Py_None : self->signal);
}

/* catch.__exit__, when `error` is a signal that it names, and was thrown into this task: 1 when it is taken, and nothing else
 * has come; 0 when something has, for Python; -1 with an exception. */
static int
take(State *state, Block *self, Inbox *inbox, PyObject *task, PyObject *error)
{
    PyObject *copy = as_it_came(inbox, error);
    if (copy == NULL && (copy = sigtask_copy(state, error)) == NULL) {
        return -1;
    }
    Py_XSETREF(self->signal, copy);
    int back = inbox->owed - self->owed;
    if (back > 0) {
        inbox->owed -= back;
        sigtask_take_back(state, inbox, back);
    }
    for (; back > 0; back--) {
        PyObject *left = PyObject_CallOneArg(state->stock_uncancel, task);
        if (left == NULL) {
            return -1;
        }
        Py_DECREF(left);
    }
    PyObject *count = PyObject_CallOneArg(state->stock_cancelling, task);
    int left = count == NULL ? -1 : (int)PyLong_AsLong(count);
    Py_XDECREF(count);
    return count == NULL ? -1 : left <= self->count;
}

static PyObject *
block_exit(PyObject *op, PyTypeObject *defining, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    State *state = (State *)PyType_GetModuleState(defining);
    Block *self = (Block *)op;
    PyObject *type = (PyObject *)Py_TYPE(op), *task = NULL;
    int is_catch = type == state->catch, left = 0;
    if (nargs == 3 && (is_catch || type == state->accept || (type == state->mask && !IS(self->waiting) && !IS(self->timer)))) {
        left = leave(state, self, &task);
    }
    if (left <= 0) {
        return left < 0 ? NULL : by_method(op, "_close", args, nargs, names);
    }
    Inbox *inbox = (Inbox *)self->inbox;
    self->inbox = NULL;
    PyObject *error = args[1], *answer = is_catch ? Py_False : Py_None;
    if (is_catch && IS(self->cls) && PyType_Check(self->cls) && PyObject_TypeCheck(error, (PyTypeObject *)self->cls) &&
        PyObject_TypeCheck(error, (PyTypeObject *)state->signal)) {
        PyObject *level = PyObject_GetAttr(error, state->level_name);
        int taken = level == NULL ? -1 : sigtask_level(level) < state->kill_level;
        Py_XDECREF(level);
        if (taken > 0 && !IS(SLOT(error, sigtask_slots.shown))) {
            taken = take(state, self, inbox, task, error);
            answer = taken > 0 ? Py_True
                     : taken == 0 ? PyObject_CallMethodOneArg(op, state->raise_name, (PyObject *)inbox) : NULL;
        }
        else if (taken < 0) {
            answer = NULL;
        }
    }
    Py_DECREF(inbox);
    return Py_XNewRef(answer);
}

/* -- the type ---------------------------------------------------------------------------------------------------------------- */

static PyObject *
block_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(options))
{
    Block *self = (Block *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->accepts = 40; /* KILL_LEVEL: nothing */
    }
    return (PyObject *)self;
}

static void
block_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    (void)block_clear(op);
    type->tp_free(op);
    Py_DECREF(type);
}

static int
set_inbox(PyObject *self, PyObject *value, void *offset)
{
    return set_if(sigtask_is_inbox(value), self, value, offset, "an Inbox");
}

static PyMemberDef block_members[] = {
    {"state", T_OBJECT, offsetof(Block, state), 0, NULL},
    {"cls", T_OBJECT, offsetof(Block, cls), 0, NULL},
    {"within", T_OBJECT, offsetof(Block, within), 0, NULL},
    {"_timer", T_OBJECT, offsetof(Block, timer), 0, NULL},
    {"_waiting", T_OBJECT, offsetof(Block, waiting), 0, NULL},
    {"masks", T_INT, offsetof(Block, masks), 0, NULL},
    {"accepts", T_INT, offsetof(Block, accepts), 0, NULL},
    {"_owed", T_INT, offsetof(Block, owed), 0, NULL},
    {"_count", T_INT, offsetof(Block, count), 0, NULL},
    {"plain", T_BOOL, offsetof(Block, plain), 0, NULL},
    {NULL},
};

static PyMethodDef block_methods[] = {
    SIGTASK_METHOD("begin", init),
    SIGTASK_METHOD("enter", block_enter),
    SIGTASK_METHOD("exit", block_exit),
    {NULL},
};

static PyGetSetDef block_getset[] = {
    {"signal", get_signal, sigtask_set_object, NULL, AT(Block, signal)},
    {"inbox", get_object, set_inbox, NULL, AT(Block, inbox)},
    {NULL},
};

static PyType_Slot block_slots[] = {
    {Py_tp_getset, block_getset},
    {Py_tp_new, block_new},
    {Py_tp_traverse, block_traverse},
    {Py_tp_clear, block_clear},
    {Py_tp_dealloc, block_dealloc},
    {Py_tp_members, block_members},
    {Py_tp_methods, block_methods},
    {0, NULL},
};

PyType_Spec sigtask_block_spec = {
    .name = "sigtask._core.speed.Block",
    .basicsize = sizeof(Block),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = block_slots,
};

/* Whether a block that is open may be in the way of a signal of this level (Inbox.admits, and Inbox.handler). */
int
sigtask_is_blocked(State *state, Inbox *inbox, long level)
{
    for (Py_ssize_t i = 0; inbox->blocks != NULL && i < PyTuple_GET_SIZE(inbox->blocks); i++) {
        PyObject *block = PyTuple_GET_ITEM(inbox->blocks, i), *type = (PyObject *)Py_TYPE(block);
        int is_open = type == state->catch || type == state->accept ||
                      (type == state->mask && ((Block *)block)->masks < level);
        if (!is_open) {
            return 1;
        }
    }
    return 0;
}
