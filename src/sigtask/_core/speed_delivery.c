/* The C twins of `delivery.Delivery` and `delivery.Addressee`: the same attributes, as plain fields. What is decided by them
 * is written in Python, and lent to these types by `native.in_c`. */

#include "speed_fields.h"

PyObject *
sigtask_weak(PyObject *object)
{
    PyObject *ref = PyWeakref_NewRef(object, NULL);
    if (ref != NULL) {
        PyObject_GC_UnTrack(ref); /* without a callback, it leads nowhere */
    }
    return ref;
}

int
sigtask_lives(PyObject *ref)
{
    if (!IS(ref)) {
        return 0;
    }
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *found;
    int alive = PyWeakref_GetRef(ref, &found);
    Py_XDECREF(found);
    return alive > 0;
#else
    return PyWeakref_GET_OBJECT(ref) != Py_None;
#endif
}

/* -- Addressee ------------------------------------------------------------------------------------------------------ */

/* A weak reference to its task; of one that is gone, what gives None, too. */
PyObject *
sigtask_ref_to(Addressee *self)
{
    int is_there = self->task != NULL && Py_REFCNT(self->task) > 0;
    return is_there ? PyWeakref_NewRef(self->task, NULL) : Py_NewRef((PyObject *)Py_TYPE(Py_None));
}

static void
addressee_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Py_XDECREF(((Addressee *)op)->name);
    PyObject_Free(op);
    Py_DECREF(type);
}

static PyObject *
get_ref(PyObject *op, void *Py_UNUSED(closure))
{
    return sigtask_ref_to((Addressee *)op);
}

static PyObject *
get_name(PyObject *op, void *Py_UNUSED(closure))
{
    Addressee *self = (Addressee *)op;
    if (self->name == NULL && self->task != NULL && Py_REFCNT(self->task) > 0) { /* else it is just being taken apart */
        self->name = PyObject_CallMethod(self->task, "get_name", NULL);
    }
    if (self->name == NULL && !PyErr_Occurred()) {
        return PyUnicode_FromString("a task that is gone"); /* not to be: it leaves its name */
    }
    return Py_XNewRef(self->name);
}

static PyGetSetDef addressee_getset[] = {
    {"ref", get_ref, NULL, "The task, by a weak reference.", NULL},
    {"name", get_name, NULL, "Its name, also when it is gone.", NULL},
    {NULL},
};

static PyType_Slot addressee_slots[] = {
    {Py_tp_dealloc, addressee_dealloc},
    {Py_tp_getset, addressee_getset},
    {0, NULL},
};

PyType_Spec sigtask_addressee_spec = {
    .name = "sigtask._core.speed.Addressee",
    .basicsize = sizeof(Addressee),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = addressee_slots,
};

/* -- Delivery: its memory. Until somebody else has it, the inbox that it is in has the garbage collector visit what is in it -- */

#define DELIVERY_FIELDS(X) \
    X(given) X(level) X(to) X(host) X(sender) X(sent_at) X(fate) X(inside) X(thrown) X(caught_at) X(copy) X(below)

int
sigtask_delivery_visit(PyObject *op, visitproc visit, void *arg)
{
    Delivery *self = (Delivery *)op;
#define X(name) Py_VISIT(self->name);
    DELIVERY_FIELDS(X)
#undef X
    return 0;
}

static int
delivery_traverse(PyObject *op, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(op));
    return sigtask_delivery_visit(op, visit, arg);
}

/* Only what no other object can let go of: C relies on the rest. */
static int
delivery_clear(PyObject *op)
{
    Py_CLEAR(((Delivery *)op)->below);
    return 0;
}

static void
delivery_dealloc(PyObject *op)
{
    PyTypeObject *type = Py_TYPE(op);
    Delivery *self = (Delivery *)op;
    PyObject_GC_UnTrack(op);
#define X(name) Py_CLEAR(self->name);
    DELIVERY_FIELDS(X)
#undef X
    PyObject_GC_Del(op);
    Py_DECREF(type);
}

PyObject *
sigtask_blank(PyTypeObject *type)
{
    PyObject *self = PyObject_GC_New(PyObject, type);
    if (self != NULL) {
        memset((char *)self + sizeof(PyObject), 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    }
    return self;
}

void
sigtask_track(PyObject *delivery)
{
    if (!PyObject_GC_IsTracked(delivery)) {
        PyObject_GC_Track(delivery);
    }
}

/* What another one has `below` it is had by that, too. */
static int
set_below(PyObject *self, PyObject *value, void *offset)
{
    for (Py_ssize_t i = 0; value != NULL && PyList_CheckExact(value) && i < PyList_GET_SIZE(value); i++) {
        if (sigtask_is_delivery(PyList_GET_ITEM(value, i))) {
            sigtask_track(PyList_GET_ITEM(value, i));
        }
    }
    return value != NULL && PyList_CheckExact(value) ? sigtask_set_object(self, value, offset) : set_tuple(self, value, offset);
}

int
sigtask_is_delivery(PyObject *value)
{
    return value != NULL && Py_TYPE(value)->tp_dealloc == delivery_dealloc;
}

static PyObject *
get_below(PyObject *self, void *offset)
{
    PyObject **at = field(self, offset);
    if (sigtask_is_delivery(*at)) {
        PyObject *list = PyList_New(1);
        if (list == NULL) {
            return NULL;
        }
        PyList_SET_ITEM(list, 0, *at);
        *at = list;
    }
    return get_tuple(self, offset);
}

static PyObject *
get_host(PyObject *op, void *Py_UNUSED(offset))
{
    Delivery *self = (Delivery *)op;
    State *state = (State *)PyType_GetModuleState(Py_TYPE(op));
    if (self->host == NULL && self->to != NULL && Py_IS_TYPE(self->to, state->addressee_type)) {
        return sigtask_ref_to((Addressee *)self->to);
    }
    return Py_NewRef(self->host == NULL ? Py_None : self->host);
}

/* Where it was caught, reckoned when somebody asks. */
static PyObject *
get_caught_at(PyObject *op, void *Py_UNUSED(offset))
{
    Delivery *self = (Delivery *)op;
    if (self->caught_at != NULL && PyCode_Check(self->caught_at)) {
        PyCodeObject *code = (PyCodeObject *)self->caught_at;
        PyObject *place = PyUnicode_FromFormat("%U:%d", code->co_filename, PyCode_Addr2Line(code, self->caught_lasti));
        if (place == NULL) {
            return NULL;
        }
        Py_SETREF(self->caught_at, place);
    }
    return Py_NewRef(self->caught_at == NULL ? Py_None : self->caught_at);
}

Delivery *
sigtask_delivery_new(State *state, Inbox *inbox, PyObject *given)
{
    PyObject *level = PyObject_GetAttr(given, state->level_name);
    PyObject *now = level == NULL ? NULL : PyObject_CallNoArgs(state->monotonic);
    Delivery *self = now == NULL ? NULL : (Delivery *)sigtask_blank(state->delivery_type);
    if (self == NULL) {
        Py_XDECREF(level);
        Py_XDECREF(now);
        return NULL;
    }
    self->given = Py_NewRef(given);
    self->level = level;
    self->sent_at = now;
    self->to = Py_XNewRef(inbox->address);
    self->host = Py_XNewRef(inbox->task);
    self->fate = Py_NewRef(state->pending);
    if (PyObject_GC_IsTracked((PyObject *)inbox)) {
        PyObject_GC_Track(self);
    }
    return self;
}

/* Delivery(given, ...): from the beginning it has its signal, and always. */
static PyObject *
delivery_tp_new(PyTypeObject *type, PyObject *args, PyObject *Py_UNUSED(options))
{
    State *state = (State *)PyType_GetModuleState(type);
    PyObject *given = PyTuple_GET_SIZE(args) == 0 ? NULL : PyTuple_GET_ITEM(args, 0);
    if (given == NULL || !state->is_bound || !PyObject_TypeCheck(given, (PyTypeObject *)state->signal)) {
        PyErr_SetString(PyExc_TypeError, "a Delivery is made of a signal");
        return NULL;
    }
    Delivery *self = (Delivery *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->given = Py_NewRef(given);
    }
    return (PyObject *)self;
}

static int
set_given(PyObject *self, PyObject *value, void *offset)
{
    State *state = (State *)PyType_GetModuleState(Py_TYPE(self));
    if (value == NULL || !PyObject_TypeCheck(value, (PyTypeObject *)state->signal)) {
        PyErr_SetString(PyExc_TypeError, "a Delivery is of a signal");
        return -1;
    }
    return sigtask_set_object(self, value, offset);
}

static int
set_thrown(PyObject *self, PyObject *value, void *offset)
{
    return set_if(value != NULL && PyWeakref_CheckRef(value), self, value, offset, "a weak reference");
}

static PyMemberDef delivery_members[] = {
    {"level", T_OBJECT, offsetof(Delivery, level), 0, NULL},
    {"to", T_OBJECT, offsetof(Delivery, to), 0, NULL},
    {"sender", T_OBJECT, offsetof(Delivery, sender), 0, NULL},
    {"sent_at", T_OBJECT, offsetof(Delivery, sent_at), 0, NULL},
    {"fate", T_OBJECT, offsetof(Delivery, fate), 0, NULL},
    {"_copy", T_OBJECT, offsetof(Delivery, copy), 0, NULL},
    {"number", T_INT, offsetof(Delivery, number), 0, NULL},
    {"requests", T_INT, offsetof(Delivery, requests), 0, NULL},
    {"refused", T_INT, offsetof(Delivery, refused), 0, NULL},
    {"taken_back", T_BOOL, offsetof(Delivery, taken_back), 0, NULL},
    {NULL},
};

static PyGetSetDef delivery_getset[] = {
    {"given", get_object, set_given, NULL, AT(Delivery, given)},
    {"thrown", get_object, set_thrown, NULL, AT(Delivery, thrown)},
    {"inside", get_tuple, set_tuple, NULL, AT(Delivery, inside)},
    {"below", get_below, set_below, NULL, AT(Delivery, below)},
    {"caught_at", get_caught_at, sigtask_set_object, NULL, AT(Delivery, caught_at)},
    {"host", get_host, sigtask_set_object, NULL, AT(Delivery, host)},
    {NULL},
};

static PyType_Slot delivery_slots[] = {
    {Py_tp_new, delivery_tp_new},
    {Py_tp_traverse, delivery_traverse},
    {Py_tp_clear, delivery_clear},
    {Py_tp_dealloc, delivery_dealloc},
    {Py_tp_members, delivery_members},
    {Py_tp_getset, delivery_getset},
    {0, NULL},
};

PyType_Spec sigtask_delivery_spec = {
    .name = "sigtask._core.speed.Delivery",
    .basicsize = sizeof(Delivery),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = delivery_slots,
};

