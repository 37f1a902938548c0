/* The C twin of `inbox.Inbox`: the same attributes, as plain fields. What is decided by them is written in Python, and lent to
 * this type by `native.in_c`. */

#include "speed_fields.h"

/* -- what it remembers ------------------------------------------------------------------------------------------------------- */

static PyObject *
get_delivered(PyObject *self, void *offset)
{
    PyObject *value = *field(self, offset);
    return sigtask_is_delivery(value) ? PyTuple_Pack(1, value) : get_tuple(self, offset);
}

static int
set_delivered(PyObject *self, PyObject *value, void *offset)
{
    for (Py_ssize_t i = 0; value != NULL && PyTuple_CheckExact(value) && i < PyTuple_GET_SIZE(value); i++) {
        if (!sigtask_is_delivery(PyTuple_GET_ITEM(value, i))) {
            PyErr_SetString(PyExc_TypeError, "this takes a tuple of Deliveries");
            return -1;
        }
    }
    return set_tuple(self, value, offset);
}

/* The list, made by now. Borrowed. */
static PyObject *
history_of(Inbox *inbox)
{
    if (inbox->history == NULL || sigtask_is_delivery(inbox->history)) {
        State *state = (State *)PyType_GetModuleState(Py_TYPE(inbox));
        PyObject *list = PyObject_CallNoArgs(state->history);
        if (list == NULL || (inbox->history != NULL && PyList_Append(list, inbox->history) < 0)) {
            Py_XDECREF(list);
            return NULL;
        }
        if (inbox->history != NULL) {
            sigtask_track(inbox->history); /* from now on the list has it */
        }
        Py_XSETREF(inbox->history, list);
    }
    return inbox->history;
}

static PyObject *
get_history(PyObject *self, void *Py_UNUSED(offset))
{
    return Py_XNewRef(history_of((Inbox *)self));
}

static int
set_history(PyObject *self, PyObject *value, void *offset)
{
    return set_if(value != NULL && PyList_Check(value), self, value, offset, "a History");
}

static int
set_cause(PyObject *self, PyObject *value, void *offset)
{
    State *state = (State *)PyType_GetModuleState(Py_TYPE(self));
    return set_if(value != NULL && PyObject_TypeCheck(value, (PyTypeObject *)state->signal), self, value, offset, "a signal");
}

/* What would be lost with it: Delivery.weight, and of equals the level. */
static long
worth(State *state, Delivery *one)
{
    if (!sigtask_is_delivery((PyObject *)one)) {
        return -1; /* somebody has put it into the list */
    }
    int is_at_work = one->fate == state->pending || one->fate == state->in_flight || sigtask_lives(one->thrown);
    long weight = is_at_work ? 2 : one->fate == state->delivered;
    return weight * 1000 + Py_MIN(sigtask_level(one->level), 999);
}

/* History.forget: what is worth least goes, the oldest of equals, until half of the list is left. The newest stays. */
static int
forget(State *state, PyObject *list)
{
    const long gone = LONG_MAX;
    Py_ssize_t n = PyList_GET_SIZE(list);
    long *worths = PyMem_New(long, n);
    PyObject *kept = worths == NULL ? PyErr_NoMemory() : PyList_New(0);
    if (kept != NULL) {
        for (Py_ssize_t i = 0; i < n; i++) {
            worths[i] = worth(state, (Delivery *)PyList_GET_ITEM(list, i));
        }
        for (Py_ssize_t left = n; left > state->history_limit / 2; left--) {
            Py_ssize_t least = 0;
            for (Py_ssize_t i = 1; i < n - 1; i++) {
                least = worths[i] < worths[least] ? i : least;
            }
            worths[least] = gone;
        }
        for (Py_ssize_t i = 0; i < n; i++) {
            if (worths[i] != gone && PyList_Append(kept, PyList_GET_ITEM(list, i)) < 0) {
                Py_CLEAR(kept);
                break;
            }
        }
    }
    PyMem_Free(worths);
    /* At once: what goes may run Python of anybody's, a reason's `__del__`, and so come back here. */
    int failed = kept == NULL || PyList_SetSlice(list, 0, n, kept) < 0;
    Py_XDECREF(kept);
    return failed ? -1 : 0;
}

static int
tell_watchers(State *state, Delivery *delivery)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(state->watchers); i++) {
        sigtask_track((PyObject *)delivery);
        PyObject *watch = Py_NewRef(PyList_GET_ITEM(state->watchers, i));
        PyObject *done = PyObject_CallOneArg(watch, (PyObject *)delivery);
        Py_DECREF(watch);
        if (done == NULL) {
            return -1;
        }
        Py_DECREF(done);
    }
    return 0;
}

int
sigtask_remember(State *state, Inbox *inbox, Delivery *delivery)
{
    if (tell_watchers(state, delivery) < 0) {
        return -1;
    }
    if (inbox->history == NULL) {
        inbox->history = Py_NewRef(delivery);
        return 0;
    }
    PyObject *list = history_of(inbox);
    if (list == NULL || PyList_Append(list, (PyObject *)delivery) < 0) {
        return -1;
    }
    sigtask_track((PyObject *)delivery);
    if (PyList_GET_SIZE(list) < state->history_limit) {
        return 0;
    }
    return forget(state, list);
}

/* -- whose it is --------------------------------------------------------------------------------------------------------------- */

static PyObject *
get_task(PyObject *op, void *Py_UNUSED(offset))
{
    Inbox *self = (Inbox *)op;
    return self->task == NULL && self->address != NULL ? sigtask_ref_to(self->address)
                                                       : Py_NewRef(self->task == NULL ? Py_None : self->task);
}

/* How often the inbox has this delivery beside its history. */
static int
own_references(Inbox *self, PyObject *one)
{
    int n = (self->flying == one) + (self->again == one) + (self->plain_under == one) + (self->doom == one) +
            (self->ended == one) + (self->delivered == one);
    if (self->delivered != NULL && PyTuple_CheckExact(self->delivered) && Py_REFCNT(self->delivered) == 1) {
        for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(self->delivered); i++) {
            n += PyTuple_GET_ITEM(self->delivered, i) == one;
        }
    }
    return n;
}

/* Whether somebody else has the Addressee: a delivery that the inbox does not have, or a signal that not just the task has,
 * as what cancelled it. */
static int
is_known_elsewhere(Inbox *inbox)
{
    if (Py_REFCNT(inbox->address) == 1) {
        return 0;
    }
    if (PyObject_GC_IsTracked((PyObject *)inbox) || !sigtask_is_delivery(inbox->history)) {
        return 1;
    }
    Delivery *one = (Delivery *)inbox->history;
    if (Py_REFCNT(one) > 1 + own_references(inbox, inbox->history) || IS(one->copy)) {
        return 1;
    }
    PyObject *signal = sigtask_lives(one->thrown) ? PyObject_CallNoArgs(one->thrown) : NULL;
    int is_the_tasks = IS(inbox->ended) && !inbox->end_is_known; /* asyncio gives away what it has to the first who asks */
    Py_ssize_t others = signal == NULL ? 0 : Py_REFCNT(signal) - 1 - is_the_tasks;
    Py_ssize_t own = 2 + (signal != NULL);
    Py_XDECREF(signal);
    return others > 0 || Py_REFCNT(inbox->address) > own;
}

void
sigtask_note_name(State *state, PyObject *task, Inbox *inbox)
{
    Addressee *address = inbox->address;
    if (address == NULL || address->name != NULL || !is_known_elsewhere(inbox)) {
        return;
    }
    PyObject *error = sigtask_catch();
    address->name = PyObject_CallOneArg(state->stock_get_name, task);
    if (address->name == NULL) {
        PyErr_WriteUnraisable(task);
    }
    if (error != NULL) {
        sigtask_raise(error);
    }
}

/* -- the type ---------------------------------------------------------------------------------------------------------------- */

#define INBOX_FIELDS(X) \
    X(task) X(pending) X(flying) X(again) X(plain_msg) X(plain_thrown) X(plain_under) X(cause) X(caused) X(blocks) \
    X(covers) X(doom) X(waiters) X(stops) X(outside) X(unclaimed) X(ended) X(end) X(address) X(history) X(delivered)

int
sigtask_inbox_traverse(PyObject *op, visitproc visit, void *arg)
{
    Inbox *self = (Inbox *)op;
    Py_VISIT(Py_TYPE(op));
#define X(name) Py_VISIT(self->name);
    INBOX_FIELDS(X)
#undef X
    PyObject *one = self->history; /* those in a list are tracked */
    if (sigtask_is_delivery(one) && !PyObject_GC_IsTracked(one) && Py_REFCNT(one) == 1 + own_references(self, one)) {
        return sigtask_delivery_visit(one, visit, arg); /* nobody else has it */
    }
    return 0;
}

static int
inbox_clear(PyObject *op)
{
    Inbox *self = (Inbox *)op;
#define X(name) Py_CLEAR(self->name);
    INBOX_FIELDS(X)
#undef X
    return 0;
}

static void
dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    PyObject_GC_UnTrack(op);
    if (((Inbox *)op)->weakrefs != NULL) {
        PyObject_ClearWeakRefs(op);
    }
    (void)inbox_clear(op);
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

int
sigtask_is_inbox(PyObject *value)
{
    return value != NULL && Py_TYPE(value)->tp_dealloc == dealloc;
}

PyObject *
sigtask_expose(PyObject *op)
{
    Inbox *self = (Inbox *)op;
    if (!PyObject_GC_IsTracked(op)) {
        PyObject_GC_Track(op);
        if (sigtask_is_delivery(self->history)) {
            sigtask_track(self->history); /* those in a list are */
        }
    }
    return Py_NewRef(op);
}

int
sigtask_note_address(State *state, Inbox *inbox, PyObject *task)
{
    if (inbox->address == NULL && (inbox->address = PyObject_New(Addressee, state->addressee_type)) != NULL) {
        inbox->address->task = task;
        inbox->address->name = NULL;
        if (!sigtask_tells_its_name(task)) {
            inbox->address->name = PyObject_CallMethodNoArgs(task, state->get_name_name);
            return inbox->address->name == NULL ? -1 : 0;
        }
    }
    return inbox->address == NULL ? -1 : 0;
}

Inbox *
sigtask_inbox_new(State *state, PyObject *task)
{
    Inbox *self = (Inbox *)sigtask_blank(state->inbox_type);
    if (self != NULL && sigtask_note_address(state, self, task) < 0) {
        Py_CLEAR(self);
    }
    return self;
}

static PyMemberDef inbox_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Inbox, weakrefs), Py_READONLY, NULL},
    {"plain_msg", T_OBJECT, offsetof(Inbox, plain_msg), 0, NULL},
    {"plain_thrown", T_OBJECT, offsetof(Inbox, plain_thrown), 0, NULL},
    {"caused", T_OBJECT, offsetof(Inbox, caused), 0, NULL},
    {"unclaimed", T_OBJECT, offsetof(Inbox, unclaimed), 0, NULL},
    {"end", T_OBJECT, offsetof(Inbox, end), 0, NULL},
    {"missed", T_INT, offsetof(Inbox, missed), 0, NULL},
    {"weight", T_INT, offsetof(Inbox, weight), 0, NULL},
    {"landed", T_INT, offsetof(Inbox, landed), 0, NULL},
    {"owed", T_INT, offsetof(Inbox, owed), 0, NULL},
    {"plain_held", T_INT, offsetof(Inbox, plain_held), 0, NULL},
    {"waits", T_INT, offsetof(Inbox, waits), 0, NULL},
    {"looking", T_BOOL, offsetof(Inbox, looking), 0, NULL},
    {"plain_below", T_BOOL, offsetof(Inbox, plain_below), 0, NULL},
    {"cause_is_due", T_BOOL, offsetof(Inbox, cause_is_due), 0, NULL},
    {"nudged", T_BOOL, offsetof(Inbox, nudged), 0, NULL},
    {"end_is_known", T_BOOL, offsetof(Inbox, end_is_known), 0, NULL},
    {"end_is_shown", T_BOOL, offsetof(Inbox, end_is_shown), 0, NULL},
    {"abandoned", T_BOOL, offsetof(Inbox, abandoned), 0, NULL},
    {NULL},
};

static PyGetSetDef inbox_getset[] = {
    {"pending", get_tuple, set_tuple, NULL, AT(Inbox, pending)},
    {"blocks", get_tuple, set_tuple, NULL, AT(Inbox, blocks)},
    {"covers", get_tuple, set_tuple, NULL, AT(Inbox, covers)},
    {"waiters", get_tuple, set_tuple, NULL, AT(Inbox, waiters)},
    {"stops", get_tuple, set_tuple, NULL, AT(Inbox, stops)},
    {"outside", get_tuple, set_tuple, NULL, AT(Inbox, outside)},
    {"delivered", get_delivered, set_delivered, NULL, AT(Inbox, delivered)},
    {"history", get_history, set_history, NULL, AT(Inbox, history)},
    {"flying", get_object, set_delivery, NULL, AT(Inbox, flying)},
    {"again", get_object, set_delivery, NULL, AT(Inbox, again)},
    {"plain_under", get_object, set_delivery, NULL, AT(Inbox, plain_under)},
    {"doom", get_object, set_delivery, NULL, AT(Inbox, doom)},
    {"ended", get_object, set_delivery, NULL, AT(Inbox, ended)},
    {"cause", get_object, set_cause, NULL, AT(Inbox, cause)},
    {"task", get_task, sigtask_set_object, NULL, AT(Inbox, task)},
    {NULL},
};

static PyType_Slot inbox_slots[] = {
    {Py_tp_new, PyType_GenericNew},
    {Py_tp_traverse, sigtask_inbox_traverse},
    {Py_tp_clear, inbox_clear},
    {Py_tp_dealloc, dealloc},
    {Py_tp_members, inbox_members},
    {Py_tp_getset, inbox_getset},
    {0, NULL},
};

PyType_Spec sigtask_inbox_spec = {
    .name = "sigtask._core.speed.Inbox",
    .basicsize = sizeof(Inbox),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = inbox_slots,
};
