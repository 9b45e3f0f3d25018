"""Routes of the catalogue, one for each section that clients need."""

from typing import Annotated

from fastapi import Depends

from app.catalogue import queries, schemas
from app.http.deps import RegistryDep
from app.http.routes import KeyedRouter
from app.rules.law import Catalogue, Domain, PlannedBody
from app.rules.permissions import Permission

router = KeyedRouter(prefix="/v1", tag="Catalogue", needed=Permission.catalogue_read)


def load_catalogue(registry: RegistryDep) -> Catalogue:
    """Return the current catalogue."""
    return queries.load_current_catalogue(registry)


CatalogueDep = Annotated[Catalogue, Depends(load_catalogue)]


@router.get("/domains")
def list_domains(catalogue: CatalogueDep) -> schemas.DomainsView:
    """Return the 18 domains in the order of the plan, departments in its spelling."""
    ordered = sorted(catalogue.domains.values(), key=lambda domain: domain.number)
    return schemas.DomainsView(
        catalogue_version=catalogue.version,
        domains=[_build_domain_view(domain, catalogue) for domain in ordered],
    )


@router.get("/departments")
def list_departments(catalogue: CatalogueDep) -> schemas.DepartmentsView:
    """Return every department, with aliases, functions, level, parent and successor."""
    return schemas.DepartmentsView(
        catalogue_version=catalogue.version, departments=list(catalogue.departments.values())
    )


@router.get("/list-types")
def list_list_types(catalogue: CatalogueDep) -> schemas.ListTypesView:
    """Return every list type with its issuers, term, publication and legal reference."""
    return schemas.ListTypesView(
        catalogue_version=catalogue.version, list_types=list(catalogue.list_types.values())
    )


@router.get("/matters")
def list_matters(catalogue: CatalogueDep) -> schemas.MattersView:
    """Return the matters that an office may check for."""
    return schemas.MattersView(
        catalogue_version=catalogue.version, matters=list(catalogue.matters.values())
    )


@router.get("/measures")
def list_measures(catalogue: CatalogueDep) -> schemas.MeasuresView:
    """Return measures (rewards and punishments) and their rules, with the legal basis."""
    return schemas.MeasuresView(
        catalogue_version=catalogue.version,
        measures=list(catalogue.measures.values()),
        rules=list(catalogue.measure_rules.values()),
    )


@router.get("/repair-rules")
def list_repair_rules(catalogue: CatalogueDep) -> schemas.RepairRulesView:
    """Return the repair rules: minimum periods, means to prove, and time limits.

    A rule for list types takes precedence over the general one, which has none. The day of an
    entry's decision selects the rule.
    """
    return schemas.RepairRulesView(
        catalogue_version=catalogue.version, repair_rules=list(catalogue.repair_rules.values())
    )


@router.get("/investigation-bases")
def list_investigation_bases(catalogue: CatalogueDep) -> schemas.InvestigationBasesView:
    """Return the laws that let a department hide a check or lookup from its subject for a time.

    Only those in force can be named, by departments with one of their functions.
    """
    return schemas.InvestigationBasesView(
        catalogue_version=catalogue.version,
        investigation_bases=list(catalogue.investigation_bases.values()),
    )


def _build_domain_view(domain: Domain, catalogue: Catalogue) -> schemas.DomainView:
    return schemas.DomainView(
        code=domain.code,
        number=domain.number,
        name=domain.name,
        leads=_build_body_views(domain.leads),
        participants=_build_body_views(domain.participants),
        participants_open=domain.participants_open,
        legal_reference=domain.legal_reference,
        list_types=[
            schemas.ListTypeSummary(
                code=item.code,
                kind=item.kind,
                name=item.name,
                in_force=item.in_force,
                legal_reference=item.legal_reference,
                default_disclosure=item.default_disclosure,
            )
            for item in catalogue.list_types.values()
            if item.domain == domain.code
        ],
    )


def _build_body_views(bodies: tuple[PlannedBody, ...]) -> list[schemas.BodyView]:
    return [schemas.BodyView(code=body.department, name=body.named) for body in bodies]
