//! Why a call ends, or a message was not understood: the causes of Q.850.

use std::fmt;

/// A cause value of Q.850, 0 to 127. Every value can be carried; those that Q.850 does not assign have the name of
/// their class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause(u8);

/// The classes of Q.850 §2.2.6: bits 7 to 5 of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Normal,
    ResourceUnavailable,
    NotAvailable,
    NotImplemented,
    InvalidMessage,
    ProtocolError,
    Interworking,
}

impl Cause {
    /// None above 127.
    pub fn new(value: u8) -> Option<Self> {
        (value < 128).then_some(Self(value))
    }

    pub(crate) fn masked(octet: u8) -> Self {
        Self(octet & 0x7f)
    }

    pub fn value(self) -> u8 {
        self.0
    }

    /// All 128.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..128).map(Self)
    }

    pub fn class(self) -> Class {
        match self.0 >> 4 {
            0 | 1 => Class::Normal,
            2 => Class::ResourceUnavailable,
            3 => Class::NotAvailable,
            4 => Class::NotImplemented,
            5 => Class::InvalidMessage,
            6 => Class::ProtocolError,
            _ => Class::Interworking,
        }
    }

    /// Whether Q.850 gives this value a meaning of its own.
    pub fn is_assigned(self) -> bool {
        names(self).is_some()
    }

    /// The name in Q.850, or that of the class.
    pub fn name(self) -> &'static str {
        names(self).map_or_else(|| class_names(self.class()).0, |names| names.0)
    }

    /// The name as operators in Norway read it.
    pub fn name_nb(self) -> &'static str {
        names(self).map_or_else(|| class_names(self.class()).1, |names| names.1)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.0, self.name())
    }
}

fn class_names(class: Class) -> (&'static str, &'static str) {
    match class {
        Class::Normal => ("Normal, value not assigned", "Normal hendelse, ukjent verdi"),
        Class::ResourceUnavailable => (
            "Resource unavailable, value not assigned",
            "Ressurs mangler, ukjent verdi",
        ),
        Class::NotAvailable => (
            "Service or option not available, value not assigned",
            "Tjenesten er ikke tilgjengelig, ukjent verdi",
        ),
        Class::NotImplemented => (
            "Service or option not implemented, value not assigned",
            "Tjenesten finnes ikke, ukjent verdi",
        ),
        Class::InvalidMessage => (
            "Invalid message, value not assigned",
            "Ugyldig melding, ukjent verdi",
        ),
        Class::ProtocolError => (
            "Protocol error, value not assigned",
            "Protokollfeil, ukjent verdi",
        ),
        Class::Interworking => ("Interworking, value not assigned", "Samtrafikk, ukjent verdi"),
    }
}

macro_rules! causes {
    ($($value:literal $constant:ident $english:literal $norwegian:literal)*) => {
        impl Cause {
            $(#[doc = $english] pub const $constant: Self = Self($value);)*
        }

        fn names(cause: Cause) -> Option<(&'static str, &'static str)> {
            match cause.0 {
                $($value => Some(($english, $norwegian)),)*
                _ => None,
            }
        }
    };
}

causes! {
    1 UNALLOCATED_NUMBER "Unallocated (unassigned) number" "Nummeret er ikke i bruk"
    2 NO_ROUTE_TO_TRANSIT_NETWORK "No route to specified transit network" "Ingen vei til det valgte transittnettet"
    3 NO_ROUTE_TO_DESTINATION "No route to destination" "Ingen vei til målet"
    4 SEND_SPECIAL_INFORMATION_TONE "Send special information tone" "Send informasjonstone"
    5 MISDIALLED_TRUNK_PREFIX "Misdialled trunk prefix" "Feil prefiks"
    6 CHANNEL_UNACCEPTABLE "Channel unacceptable" "Kanalen kan ikke godtas"
    7 CALL_AWARDED "Call awarded and being delivered in an established channel" "Samtalen leveres på en kanal som alt er koblet"
    8 PREEMPTION "Preemption" "Avbrutt til fordel for en viktigere samtale"
    9 PREEMPTION_CIRCUIT_RESERVED "Preemption, circuit reserved for reuse" "Avbrutt til fordel for en viktigere samtale, kanalen er reservert"
    14 QOR_PORTED_NUMBER "QoR: ported number" "Nummeret er flyttet til en annen tilbyder"
    16 NORMAL_CALL_CLEARING "Normal call clearing" "Samtalen er avsluttet"
    17 USER_BUSY "User busy" "Opptatt"
    18 NO_USER_RESPONDING "No user responding" "Utstyret svarer ikke"
    19 NO_ANSWER "No answer from user (user alerted)" "Ingen tok telefonen"
    20 SUBSCRIBER_ABSENT "Subscriber absent" "Abonnenten er ikke tilgjengelig"
    21 CALL_REJECTED "Call rejected" "Anropet ble avvist"
    22 NUMBER_CHANGED "Number changed" "Nummeret er endret"
    23 REDIRECTION "Redirection to new destination" "Viderekoblet til nytt mål"
    24 REJECTED_BY_FEATURE "Call rejected due to feature at the destination" "Avvist av en tjeneste hos mottakeren"
    25 EXCHANGE_ROUTING_ERROR "Exchange routing error" "Rutingfeil i sentralen"
    26 NON_SELECTED_USER_CLEARING "Non-selected user clearing" "En annen tok telefonen"
    27 DESTINATION_OUT_OF_ORDER "Destination out of order" "Målet er ute av drift"
    28 INVALID_NUMBER_FORMAT "Invalid number format (address incomplete)" "Ugyldig eller ufullstendig nummer"
    29 FACILITY_REJECTED "Facility rejected" "Tjenesten ble avvist"
    30 RESPONSE_TO_STATUS_ENQUIRY "Response to STATUS ENQUIRY" "Svar på spørsmål om tilstand"
    31 NORMAL_UNSPECIFIED "Normal, unspecified" "Avsluttet uten nærmere grunn"
    34 NO_CIRCUIT_AVAILABLE "No circuit/channel available" "Ingen ledig kanal"
    38 NETWORK_OUT_OF_ORDER "Network out of order" "Nettet er ute av drift"
    39 PERMANENT_CONNECTION_OUT_OF_SERVICE "Permanent frame mode connection out of service" "Fast forbindelse er ute av drift"
    40 PERMANENT_CONNECTION_OPERATIONAL "Permanent frame mode connection operational" "Fast forbindelse er i drift"
    41 TEMPORARY_FAILURE "Temporary failure" "Midlertidig feil"
    42 SWITCHING_EQUIPMENT_CONGESTION "Switching equipment congestion" "Sentralen er overbelastet"
    43 ACCESS_INFORMATION_DISCARDED "Access information discarded" "Tilleggsopplysninger er forkastet"
    44 REQUESTED_CIRCUIT_NOT_AVAILABLE "Requested circuit/channel not available" "Den ønskede kanalen er ikke ledig"
    46 PRECEDENCE_CALL_BLOCKED "Precedence call blocked" "Prioritert samtale er sperret"
    47 RESOURCE_UNAVAILABLE "Resource unavailable, unspecified" "Ressurs mangler"
    49 QUALITY_NOT_AVAILABLE "Quality of Service not available" "Tjenestekvaliteten er ikke tilgjengelig"
    50 FACILITY_NOT_SUBSCRIBED "Requested facility not subscribed" "Tjenesten er ikke bestilt"
    53 OUTGOING_BARRED_IN_GROUP "Outgoing calls barred within CUG" "Utgående samtaler er sperret i gruppen"
    55 INCOMING_BARRED_IN_GROUP "Incoming calls barred within CUG" "Innkommende samtaler er sperret i gruppen"
    57 BEARER_NOT_AUTHORIZED "Bearer capability not authorized" "Samtaletypen er ikke tillatt"
    58 BEARER_NOT_AVAILABLE "Bearer capability not presently available" "Samtaletypen er ikke tilgjengelig nå"
    62 INCONSISTENT_ACCESS_INFORMATION "Inconsistency in designated outgoing access information and subscriber class" "Tilknytning og abonnement passer ikke sammen"
    63 SERVICE_NOT_AVAILABLE "Service or option not available, unspecified" "Tjenesten er ikke tilgjengelig"
    65 BEARER_NOT_IMPLEMENTED "Bearer capability not implemented" "Samtaletypen støttes ikke"
    66 CHANNEL_TYPE_NOT_IMPLEMENTED "Channel type not implemented" "Kanaltypen støttes ikke"
    69 FACILITY_NOT_IMPLEMENTED "Requested facility not implemented" "Tjenesten støttes ikke"
    70 ONLY_RESTRICTED_DIGITAL "Only restricted digital information bearer capability is available" "Bare begrenset digital overføring er tilgjengelig"
    79 SERVICE_NOT_IMPLEMENTED "Service or option not implemented, unspecified" "Tjenesten finnes ikke"
    81 INVALID_CALL_REFERENCE "Invalid call reference value" "Ukjent samtale"
    82 CHANNEL_DOES_NOT_EXIST "Identified channel does not exist" "Kanalen finnes ikke"
    83 NO_SUCH_CALL_IDENTITY "A suspended call exists, but this call identity does not" "En annen samtale er parkert"
    84 CALL_IDENTITY_IN_USE "Call identity in use" "Parkeringsnummeret er i bruk"
    85 NO_CALL_SUSPENDED "No call suspended" "Ingen samtale er parkert"
    86 SUSPENDED_CALL_CLEARED "Call having the requested call identity has been cleared" "Den parkerte samtalen er avsluttet"
    87 NOT_MEMBER_OF_GROUP "User not member of CUG" "Ikke medlem av gruppen"
    88 INCOMPATIBLE_DESTINATION "Incompatible destination" "Mottakerens utstyr passer ikke til samtalen"
    90 NO_SUCH_GROUP "Non-existent CUG" "Gruppen finnes ikke"
    91 INVALID_TRANSIT_NETWORK "Invalid transit network selection" "Ugyldig valg av transittnett"
    95 INVALID_MESSAGE "Invalid message, unspecified" "Ugyldig melding"
    96 MANDATORY_ELEMENT_MISSING "Mandatory information element is missing" "Nødvendig opplysning mangler i meldingen"
    97 MESSAGE_TYPE_NOT_IMPLEMENTED "Message type non-existent or not implemented" "Meldingstypen støttes ikke"
    98 MESSAGE_NOT_COMPATIBLE_OR_IMPLEMENTED "Message not compatible with call state or message type non-existent or not implemented" "Meldingen passer ikke nå, eller støttes ikke"
    99 ELEMENT_NOT_IMPLEMENTED "Information element/parameter non-existent or not implemented" "En opplysning i meldingen støttes ikke"
    100 INVALID_ELEMENT_CONTENTS "Invalid information element contents" "En opplysning i meldingen er ugyldig"
    101 MESSAGE_NOT_COMPATIBLE "Message not compatible with call state" "Meldingen passer ikke til samtalens tilstand"
    102 RECOVERY_ON_TIMER_EXPIRY "Recovery on timer expiry" "Tiden gikk ut uten svar"
    103 PARAMETER_PASSED_ON "Parameter non-existent or not implemented, passed on" "Ukjent parameter er sendt videre"
    110 MESSAGE_WITH_UNKNOWN_PARAMETER "Message with unrecognized parameter, discarded" "Melding med ukjent parameter er forkastet"
    111 PROTOCOL_ERROR "Protocol error, unspecified" "Protokollfeil"
    127 INTERWORKING "Interworking, unspecified" "Samtrafikk med et annet nett, uten nærmere grunn"
}
